//! Uninitialised memory for results and intermediate values: clearing it first would cost a pass
//! over it.

use std::cell::Cell;
use std::ops::{Deref, DerefMut, Range};

use candle_core::backend::BackendDevice;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{Result, Shape, WithDType};

/// `len` uninitialised elements. A build with debug assertions sets floats to NaN and integers to
/// 165, so that a test notices an element that was never written.
///
/// # Safety
///
/// The caller writes every element before reading it.
pub(crate) unsafe fn uninit<T: WithDType>(len: usize) -> Result<Vec<T>> {
    // SAFETY: the obligation is this function's own.
    let storage = unsafe { CpuDevice.alloc_uninit(&Shape::from(len), T::DTYPE)? };
    let mut values = T::cpu_storage_data(storage)?;
    if cfg!(debug_assertions) {
        values.fill(T::from_f64(if T::DTYPE.is_float() { f64::NAN } else { 165.0 }));
    }
    Ok(values)
}

/// Floats of a cache line. An aligned AVX-512 vector touches one line, any other one two.
const LINE: usize = 16;

/// How many floats of `values` precede the start of the first whole cache line.
fn before_line(values: &[f32]) -> usize {
    values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Scratch memory of one operation, aligned to a cache line.
pub(crate) struct Scratch {
    values: Vec<f32>,
    range: Range<usize>,
}

impl Scratch {
    /// `len` uninitialised floats.
    ///
    /// # Safety
    ///
    /// The caller writes every element before reading it.
    pub(crate) unsafe fn uninit(len: usize) -> Result<Self> {
        // SAFETY: the obligation is this function's own.
        let values = unsafe { uninit::<f32>(len + LINE)? };
        let start = before_line(&values);
        Ok(Self { values, range: start..start + len })
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.range.clone()]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.range.clone()]
    }
}

/// Calls `f` with `len` floats of the calling thread's scratch memory, aligned to a cache line.
/// They hold what the last use left, so `f` writes before it reads. The memory stays with the
/// thread, so that no tile of a convolution allocates.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    if scratch.len() < len + LINE {
        scratch.resize(len + LINE, 0.0);
    }
    if cfg!(debug_assertions) {
        scratch.fill(f32::NAN);
    }
    let start = before_line(&scratch);
    let result = f(&mut scratch[start..start + len]);
    SCRATCH.set(scratch);
    result
}
