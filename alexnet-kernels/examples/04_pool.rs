//! What a step allocates: under a `PoolGuard`, nothing large after the first step.
//!
//! ```text
//! cargo run --release -p alexnet-kernels --example 04_pool
//! ```
#![allow(clippy::print_stdout)] // an example talks to people

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use alexnet_kernels::{Lrn, MaxPool2d, PoolAllocator, PoolGuard, normals};
use candle_core::{Device, Module, Result, Tensor};

/// Counts the bytes of large buffers that each thread asks the system for.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator, with its obligations.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= 32 << 10 {
            BYTES.set(BYTES.get() + layout.size());
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

/// Gives back how many bytes a step took from the system.
fn step(x: &Tensor) -> Result<usize> {
    let before = BYTES.get();
    let y = MaxPool2d::new(3, 2).forward(&Lrn::ALEXNET.forward(x)?)?;
    let bytes = BYTES.get() - before;
    println!("  {:?}: {bytes} bytes from the system", y.dims());
    Ok(bytes)
}

/// Runs three steps without a guard and three under one.
pub fn main() -> Result<()> {
    let x = normals(1, 0, 1.0, 8 * 96 * 55 * 55);
    let x = Tensor::from_vec(x, (8, 96, 55, 55), &Device::Cpu)?;
    println!("without a pool");
    for _ in 0..3 {
        assert!(step(&x)? > 0);
    }
    println!("with a pool");
    let _guard = PoolGuard::new();
    assert!(step(&x)? > 0);
    assert_eq!([step(&x)?, step(&x)?], [0, 0]);
    Ok(())
}
