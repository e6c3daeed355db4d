//! What a step allocates: under a `PoolGuard`, nothing large after the first step.
//!
//! ```text
//! cargo run --release -p alexnet-kernels --example 04_pool
//! ```
#![allow(clippy::print_stdout)] // an example talks to people

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use alexnet_kernels::{Lrn, MaxPool2d, PoolAllocator, PoolGuard, normals};
use candle_core::{Device, Module, Result, Tensor};

/// Counts the bytes of large buffers that the system is asked for.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator, with its obligations.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= 32 << 10 {
            BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting> = PoolAllocator::over(Counting);

fn step(x: &Tensor) -> Result<()> {
    let before = BYTES.load(Ordering::Relaxed);
    let y = MaxPool2d::new(3, 2).forward(&Lrn::ALEXNET.forward(x)?)?;
    let bytes = BYTES.load(Ordering::Relaxed) - before;
    println!("  {:?}: {bytes} bytes from the system", y.dims());
    Ok(())
}

fn main() -> Result<()> {
    let x = normals(1, 0, 1.0, 8 * 96 * 55 * 55);
    let x = Tensor::from_vec(x, (8, 96, 55, 55), &Device::Cpu)?;
    println!("without a pool");
    (0..3).try_for_each(|_| step(&x))?;
    println!("with a pool");
    let _guard = PoolGuard::new();
    (0..3).try_for_each(|_| step(&x))
}
