//! A memory pool for training: an allocator that reuses freed buffers.
//!
//! The first write to a fresh 4 KiB page costs a page fault, about as much time as computing the
//! page's contents: half of the time of LRN or pooling at the paper's batch size. Each training
//! step allocates buffers of the same sizes as the previous one. So a program that trains makes
//! [`PoolAllocator`] its global allocator and holds a [`PoolGuard`] while it trains: a tensor's
//! buffer is released as always, when its owner is dropped, and the next tensor of that size gets
//! it. A thread keeps no more buffers of a size than it has taken: what another thread took and
//! this one frees, as a loader's batches, would never be asked for again, and pile up.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// Smaller buffers come from the underlying allocator, which is fast for them.
const SMALLEST: usize = 32 << 10;

/// The most buffers that a thread keeps; a training step of AlexNet has some 200.
const SLOTS: usize = 1024;

/// A freed buffer, and the layout it had.
type Block = (*mut u8, Layout);

/// How many buffers of a layout a thread has taken and not freed.
type Lent = (Layout, usize);

const NONE: Block = (ptr::null_mut(), Layout::new::<()>());

/// The free list of one thread. It has no destructor, so an allocator may use it at any time of a
/// thread's life.
struct FreeList {
    guards: Cell<usize>,
    count: Cell<usize>,
    blocks: [Cell<Block>; SLOTS],
    layouts: Cell<usize>,
    lent: [Cell<Lent>; SLOTS], // since the first guard
}

thread_local! {
    static FREE: FreeList = const {
        FreeList {
            guards: Cell::new(0),
            count: Cell::new(0),
            blocks: [const { Cell::new(NONE) }; SLOTS],
            layouts: Cell::new(0),
            lent: [const { Cell::new((NONE.1, 0)) }; SLOTS],
        }
    };
}

impl FreeList {
    /// A kept buffer of exactly this layout.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let count = self.count.get();
        // The buffer that was freed last is the most likely to be in a cache.
        let slot = (0..count).rev().find(|&slot| self.blocks[slot].get().1 == layout)?;
        let (address, _) = self.blocks[slot].replace(self.blocks[count - 1].get());
        self.count.set(count - 1);
        Some(address)
    }

    /// Notes that this thread takes a buffer, if a guard lives.
    fn lend(&self, layout: Layout) {
        if self.guards.get() == 0 {
            return;
        }
        let count = self.layouts.get();
        let slot = |is_it: &dyn Fn(Lent) -> bool| {
            self.lent[..count].iter().position(|lent| is_it(lent.get()))
        };
        let same = slot(&|(of, _)| of == layout);
        let place = same.or_else(|| slot(&|(_, number)| number == 0)).unwrap_or(count);
        if let Some(lent) = self.lent.get(place) {
            let number = same.map_or(0, |_| lent.get().1);
            lent.set((layout, number + 1));
            self.layouts.set(count.max(place + 1));
        }
    }

    /// Notes that this thread frees a buffer; whether it had taken one of this layout.
    fn end_loan(&self, layout: Layout) -> bool {
        let mut lent = self.lent[..self.layouts.get()].iter();
        let lent = lent.find(|lent| lent.get().0 == layout && lent.get().1 > 0);
        lent.inspect(|lent| lent.set((layout, lent.get().1 - 1))).is_some()
    }

    /// Keeps a buffer that this thread had taken, if a guard lives and there is room; whether it
    /// did.
    fn keep(&self, address: *mut u8, layout: Layout) -> bool {
        let count = self.count.get();
        if self.guards.get() == 0 || !self.end_loan(layout) || count == SLOTS {
            return false;
        }
        self.blocks[count].set((address, layout));
        self.count.set(count + 1);
        true
    }
}

/// While it lives, buffers that this thread takes and frees are kept for later allocations of the
/// same size.
///
/// It has no effect in programs whose global allocator is not a [`PoolAllocator`]. When the last
/// guard of a thread is dropped, the thread's kept buffers are freed.
#[derive(Debug)]
pub struct PoolGuard {
    this_thread: PhantomData<*const ()>,
}

impl PoolGuard {
    /// Begins to keep this thread's freed buffers.
    #[must_use = "buffers are kept as long as the guard lives"]
    pub fn new() -> Self {
        FREE.with(|free| free.guards.set(free.guards.get() + 1));
        Self { this_thread: PhantomData }
    }
}

impl Default for PoolGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PoolGuard {
    fn drop(&mut self) {
        FREE.with(|free| {
            free.guards.set(free.guards.get() - 1);
            if free.guards.get() > 0 {
                return;
            }
            free.layouts.set(0);
            for slot in &free.blocks[..free.count.replace(0)] {
                let (address, layout) = slot.replace(NONE);
                // SAFETY: `PoolAllocator` kept the block when it was freed with this layout, so it
                // came from the global allocator, and nothing else uses it.
                unsafe { std::alloc::dealloc(address, layout) };
            }
        });
    }
}

/// A global allocator with a pool, on top of the system's allocator or another one.
///
/// ```
/// use alexnet_kernels::{PoolAllocator, PoolGuard};
///
/// #[global_allocator]
/// static ALLOCATOR: PoolAllocator = PoolAllocator::new();
///
/// let _guard = PoolGuard::new();
/// let first = vec![1f32; 1 << 20];
/// let address = first.as_ptr();
/// drop(first);
/// assert_eq!(Vec::<f32>::with_capacity(1 << 20).as_ptr(), address);
/// ```
#[derive(Debug, Default)]
pub struct PoolAllocator<A = System>(A);

impl PoolAllocator {
    /// A pool on top of the system's allocator.
    pub const fn new() -> Self {
        Self(System)
    }
}

impl<A> PoolAllocator<A> {
    /// A pool on top of another allocator.
    pub const fn over(allocator: A) -> Self {
        Self(allocator)
    }
}

/// A kept buffer for `layout`, which this thread takes, if there is one.
fn take(layout: Layout) -> Option<*mut u8> {
    if layout.size() < SMALLEST {
        return None;
    }
    FREE.with(|free| {
        free.lend(layout);
        free.take(layout)
    })
}

/// Notes that a buffer of this thread gets another size.
fn resize(layout: Layout, new_size: usize) {
    FREE.with(|free| {
        let is_own = layout.size() < SMALLEST || free.end_loan(layout);
        let new = Layout::from_size_align(new_size, layout.align());
        if let (true, true, Ok(new)) = (is_own, new_size >= SMALLEST, new) {
            free.lend(new);
        }
    });
}

// SAFETY: `take` returns a block only after it was freed with exactly the layout that is asked
// for, and only once, since the block leaves the list; the underlying allocator does all else.
unsafe impl<A: GlobalAlloc> GlobalAlloc for PoolAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the obligations are this function's own.
        take(layout).unwrap_or_else(|| huge_pages(unsafe { self.0.alloc(layout) }, layout.size()))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(block) = take(layout) else {
            // SAFETY: the obligations are this function's own.
            return huge_pages(unsafe { self.0.alloc_zeroed(layout) }, layout.size());
        };
        // SAFETY: the block has the size of the layout.
        unsafe { block.write_bytes(0, layout.size()) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() < SMALLEST || !FREE.with(|free| free.keep(block, layout)) {
            // SAFETY: the obligations are this function's own.
            unsafe { self.0.dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if layout.size().max(new_size) >= SMALLEST {
            resize(layout, new_size);
        }
        // SAFETY: the obligations are this function's own; every block came from the underlying
        // allocator.
        unsafe { self.0.realloc(block, layout, new_size) }
    }
}

/// The block, for which the kernel is asked for 2 MiB pages: they need a 512th of the page faults.
#[cfg(target_os = "linux")]
fn huge_pages(block: *mut u8, size: usize) -> *mut u8 {
    const HUGE: usize = 2 << 20;
    if block.is_null() || size < HUGE {
        return block;
    }
    let (start, end) = ((block as usize).next_multiple_of(HUGE), block as usize + size);
    if start.saturating_add(HUGE) <= end {
        // SAFETY: `madvise` asks for a page-aligned range of mapped memory; `start` is aligned to
        // more, and the range lies in one allocation. This advice changes no contents, and its
        // refusal is no error.
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
        }
    }
    block
}

#[cfg(not(target_os = "linux"))]
fn huge_pages(block: *mut u8, _: usize) -> *mut u8 {
    block
}
