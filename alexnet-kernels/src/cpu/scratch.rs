//! Memory for results and intermediate values that is not cleared before it is written.

use std::cell::Cell;
use std::ops::{Deref, DerefMut, Range};

use candle_core::backend::BackendDevice;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{Result, Shape, WithDType};

/// Elements that results are made of.
pub(crate) trait Element: WithDType {
    /// What a test notices an element by that was never written.
    const UNINIT: Self;
}

impl Element for f32 {
    const UNINIT: Self = f32::NAN;
}

impl Element for u8 {
    const UNINIT: Self = 0xa5;
}

impl Element for u32 {
    const UNINIT: Self = 0xa5a5_a5a5;
}

/// `len` elements that have no values yet. A build with debug assertions fills them with what a test
/// notices, so that it sees an element that was forgotten.
///
/// # Safety
///
/// Every element is written before it is read.
pub(crate) unsafe fn uninit<T: Element>(len: usize) -> Result<Vec<T>> {
    // SAFETY: the obligation is this function's own.
    let storage = unsafe { CpuDevice.alloc_uninit(&Shape::from(len), T::DTYPE)? };
    let mut values = T::cpu_storage_data(storage)?;
    if cfg!(debug_assertions) {
        values.fill(T::UNINIT);
    }
    Ok(values)
}

/// Floats of a cache line. A vector that begins where a line begins is read and written in one go.
const LINE: usize = 16;

/// How many floats of `values`, less than a line, lie before the first line begins.
fn before_line(values: &[f32]) -> usize {
    values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Floats for the time of one operation, which begin where a cache line begins.
pub(crate) struct Scratch {
    values: Vec<f32>,
    range: Range<usize>,
}

impl Scratch {
    /// `len` floats that have no values yet.
    ///
    /// # Safety
    ///
    /// Every element is written before it is read.
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

/// Lends `len` floats of the calling thread's scratch memory to `f`; they begin where a cache line
/// begins, and hold what the last use left in them, so `f` writes before it reads. The memory stays
/// with the thread, so that no tile of a convolution allocates.
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
