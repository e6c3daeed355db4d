//! What happens when a page of a mapped file cannot be read, because the file was cut short or its
//! disk fails: the system sends SIGBUS to the thread that reads it, which ends the process.
//!
//! A program that does not want that calls [`survive_cut_files`]. Then the handler puts a page of
//! zeros there, notes that in the [`Region`], and the thread goes on reading; whoever lent the
//! bytes looks at the note before anyone uses what was read.
//!
//! A handler may interrupt a thread anywhere, so it must not wait, allocate or take a lock. It
//! needs no list of all mappings: a thread says which one it reads, in a variable of its own.
//!
//! The crate signal-hook cannot do this: before our code it would call the handler that Rust
//! installs for stack overflows, and that one makes the next SIGBUS deadly.

#![allow(unsafe_code)] // a signal handler

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The addresses of one mapping, and whether pages of it were replaced by zeros.
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing looks for the place of a fault"))]
pub(super) struct Region {
    addresses: Range<usize>,
    has_holes: AtomicBool,
}

impl Region {
    pub(super) fn new(addresses: Range<*const u8>) -> Self {
        let addresses = addresses.start as usize..addresses.end as usize;
        Self { addresses, has_holes: AtomicBool::new(false) }
    }

    pub(super) fn has_holes(&self) -> bool {
        self.has_holes.load(Ordering::Relaxed)
    }
}

/// Lets this process live on when a shard that it reads is cut short, or its disk or network fails:
/// the record then is an [`Error::UnreadableRecord`](crate::Error::UnreadableRecord). Otherwise the
/// system ends the process by SIGBUS, often without a word.
///
/// This sets the process's handler of SIGBUS, which is up to programs, so a library should not call
/// it. What has nothing to do with a dataset goes to the handler that was there before. To call it
/// again changes nothing. On systems without SIGBUS it does nothing; Windows refuses to cut a
/// mapped file.
pub fn survive_cut_files() {
    #[cfg(unix)]
    unix::install();
}

#[cfg(unix)]
pub(crate) use self::unix::{survives_cut_files, while_reading};

/// Whether [`survive_cut_files`] was called, or is not needed.
#[cfg(not(unix))]
pub(crate) fn survives_cut_files() -> bool {
    true
}

#[cfg(not(unix))]
pub(super) fn while_reading<T>(_: &Region, read: impl FnOnce() -> T) -> T {
    read()
}

#[cfg(unix)]
mod unix {
    use super::Region;
    use std::ffi::{c_int, c_void};
    use std::mem::zeroed;
    use std::ptr::{null, null_mut};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

    thread_local! {
        /// The region that this thread reads, or null. It is made with the thread and has no
        /// destructor, so that the handler may look at it at any time.
        static READING: AtomicPtr<Region> = const { AtomicPtr::new(null_mut()) };
    }

    /// What the handler needs to know.
    struct Installed {
        /// What was done at SIGBUS before.
        previous: libc::sigaction,
        page: usize,
    }

    static INSTALLED: OnceLock<Installed> = OnceLock::new();

    /// Runs `read` as what reads `region`.
    pub(crate) fn while_reading<T>(region: &Region, read: impl FnOnce() -> T) -> T {
        /// Puts the pointer back also where `read` panics.
        struct Restore(*mut Region);
        impl Drop for Restore {
            fn drop(&mut self) {
                compiler_fence(Ordering::SeqCst);
                READING.with(|reading| reading.store(self.0, Ordering::Relaxed));
            }
        }
        let region = std::ptr::from_ref(region).cast_mut();
        let _restore = Restore(READING.with(|r| r.swap(region, Ordering::Relaxed)));
        // The compiler must not move what `read` reads out from between the two fences: the handler
        // runs on this thread, so a fence of the compiler is enough.
        compiler_fence(Ordering::SeqCst);
        read()
    }

    pub(super) fn install() {
        // SAFETY: the structures are plain C data, for which zeros are valid; the pointers are
        // those of this function's own variables, or null where the manual allows it. The handler
        // has the signature that SA_SIGINFO asks for, and does only what a handler may do, which
        // its own comments say. SA_ONSTACK lets the previous handler, Rust's, report a stack
        // overflow on the stack that Rust has set aside.
        unsafe {
            let mut previous = zeroed();
            if libc::sigaction(libc::SIGBUS, null(), &mut previous) != 0 {
                return;
            }
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            if INSTALLED.set(Installed { previous, page }).is_ok() {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_bus_error;
                let mut action: libc::sigaction = zeroed();
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(libc::SIGBUS, &action, null_mut());
            }
        }
    }

    /// Whether [`survive_cut_files`](super::survive_cut_files) was called.
    pub(crate) fn survives_cut_files() -> bool {
        INSTALLED.get().is_some()
    }

    extern "C" fn on_bus_error(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        let Some(Installed { previous, page }) = INSTALLED.get() else { return };
        let region = READING.try_with(|reading| reading.load(Ordering::Relaxed));
        // SAFETY: the system gives a valid `info`. The pointer is null, or `while_reading` on this
        // very thread has borrowed the region and has not returned.
        let (address, region) =
            unsafe { ((*info).si_addr() as usize, region.unwrap_or(null_mut()).as_ref()) };
        if let Some(region) = region.filter(|region| region.addresses.contains(&address)) {
            let start = (address & !(page - 1)) as *mut c_void;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            // SAFETY: the page belongs to a mapping of this crate, which is borrowed, so it is not
            // unmapped now; its owner unmaps the whole range later, whatever lies in it. It was for
            // reading and stays so. Only its bytes change, for which see `Mapping::new`. The call
            // is a system call and nothing else, and leaves errno alone if it succeeds.
            let mapped = unsafe { libc::mmap(start, *page, libc::PROT_READ, flags, -1, 0) };
            if mapped == start {
                region.has_holes.store(true, Ordering::Relaxed);
                return;
            }
        }
        // This is not ours. The instruction runs again after this handler, and fails again, with
        // the same facts for the previous handler; the default ends the process.
        // SAFETY: `previous` is what the system told us; sigaction may be called in a handler.
        unsafe { libc::sigaction(libc::SIGBUS, previous, null_mut()) };
    }
}
