//! Memory for results: not cleared, in huge pages, and kept between steps.
//!
//! A fresh 4 KiB page costs a fault when it is first written, about as much as computing what is
//! written there: half of the time of LRN or pooling at the paper's batch size.

use std::cell::Cell;

use candle_core::backend::BackendDevice;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{CpuStorage, DType, Result, Shape, bail};

/// A storage of `shape` whose elements have no values yet. A build with debug assertions fills
/// it with NaN, so that a test sees an element that was forgotten.
///
/// # Safety
///
/// Every element is written before it is read.
pub(crate) unsafe fn unwritten(shape: &Shape) -> Result<Vec<f32>> {
    // SAFETY: the obligation is this function's own.
    let storage = unsafe { CpuDevice.alloc_uninit(shape, DType::F32)? };
    let CpuStorage::F32(mut values) = storage else { bail!("asked for f32 storage") };
    advise_huge_pages(&mut values);
    if cfg!(debug_assertions) {
        values.fill(f32::NAN);
    }
    Ok(values)
}

/// Asks for 2 MiB pages: a 512th of the faults.
#[cfg(target_os = "linux")]
fn advise_huge_pages(values: &mut [f32]) {
    const HUGE: usize = 2 << 20;
    let range = values.as_mut_ptr_range();
    let (start, end) = ((range.start as usize).next_multiple_of(HUGE), range.end as usize);
    if start.saturating_add(HUGE) <= end {
        // SAFETY: `madvise` asks for a page-aligned range of mapped memory; `start` is aligned to
        // more, and the range lies in one allocation. This advice changes no contents, and its
        // refusal is no error.
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: &mut [f32]) {}

/// Lends `len` floats of the calling thread's scratch memory to `f`. They hold what was left in
/// them: `f` writes before it reads. The memory stays with the thread, so that no tile of a
/// convolution is allocated twice.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    if cfg!(debug_assertions) {
        scratch.fill(f32::NAN);
    }
    let result = f(&mut scratch[..len]);
    SCRATCH.set(scratch);
    result
}

/// Tells the allocator to keep freed memory for the next request of the same size instead of
/// giving it back to the system. For programs that train: each step asks for the same tensors as
/// the one before, and without this every step pays for fresh pages. Call it once, at the start.
///
/// Does nothing where the allocator is not glibc's. The environment variable `GLIBC_TUNABLES` can
/// say the same: `glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=18446744073709551615`.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two integers and its own lock; both options are documented, and a
    // value it does not take leaves the default.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}
