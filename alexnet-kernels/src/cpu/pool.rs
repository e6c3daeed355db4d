//! Memory for results: not cleared, in huge pages, and used again step after step.
//!
//! A fresh 4 KiB page costs a fault when it is first written, about as much as computing what is
//! written there: half of the time of LRN or pooling at the paper's batch size. A training step asks
//! for the same sizes each time, so what it gives back is kept for the next one: while a
//! [`KeepMemory`] lives on a thread, [`recycle`] puts memory on that thread's shelves, by length,
//! and results are made from there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use candle_core::backend::BackendDevice;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Shape, Tensor, WithDType};

/// Vectors nobody uses, by their length.
pub(crate) type Shelf<T> = HashMap<usize, Vec<Vec<T>>>;

/// What a thread keeps.
#[derive(Default)]
pub(crate) struct Kept {
    /// How many [`KeepMemory`] there are; without one, nothing is kept.
    keepers: usize,
    floats: Shelf<f32>,
    bytes: Shelf<u8>,
    words: Shelf<u32>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::new(Kept::default());
}

/// While it lives, this thread keeps the memory that [`recycle`] is given, for results of the same size.
/// With the last one of a thread goes what was kept.
#[derive(Debug)]
pub struct KeepMemory {
    this_thread: PhantomData<*const ()>,
}

impl KeepMemory {
    /// Begins to keep.
    #[must_use = "memory is kept as long as this lives"]
    pub fn new() -> Self {
        KEPT.with_borrow_mut(|kept| kept.keepers += 1);
        Self { this_thread: PhantomData }
    }
}

impl Default for KeepMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for KeepMemory {
    fn drop(&mut self) {
        KEPT.with_borrow_mut(|kept| {
            kept.keepers -= 1;
            if kept.keepers == 0 {
                *kept = Kept::default();
            }
        });
    }
}

/// Gives back the memory of a tensor that nobody needs any more. Without a [`KeepMemory`] on this thread,
/// and for a tensor that gradients may flow through, it is dropped as any other.
///
/// Tensors that share memory with `x` are empty after this, and whatever reads one fails: give only what
/// you know to be the last.
pub fn recycle(x: Tensor) {
    // A card has a pool of its own, in the order of its stream.
    if x.device().is_cpu() && !x.track_op() && KEPT.with_borrow(|kept| kept.keepers > 0) {
        _ = x.inplace_op1(&Take); // refused for overlapping elements, which then go as any others
    }
}

/// `bytes` as a tensor on `device`, in memory that was given back if there is some.
///
/// # Errors
///
/// A shape of another size; no memory on the device.
pub fn upload(bytes: &[u8], shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    if !device.is_cpu() || shape.elem_count() != bytes.len() {
        return Tensor::from_slice(bytes, shape, device);
    }
    // SAFETY: the next line writes all of it.
    let mut values = unsafe { unwritten::<u8>(bytes.len())? };
    values.copy_from_slice(bytes);
    Tensor::from_vec(values, shape, device)
}

struct Take;

impl InplaceOp1 for Take {
    fn name(&self) -> &'static str {
        "recycle"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        match storage {
            CpuStorage::F32(values) => keep(std::mem::take(values)),
            CpuStorage::U8(values) => keep(std::mem::take(values)),
            CpuStorage::U32(values) => keep(std::mem::take(values)),
            _ => {}
        }
        Ok(())
    }
}

/// Elements that results are made of.
pub(crate) trait Element: WithDType {
    /// What a forgotten element shows itself by.
    const FORGOTTEN: Self;

    fn shelf(kept: &mut Kept) -> &mut Shelf<Self>;
}

impl Element for f32 {
    const FORGOTTEN: Self = f32::NAN;

    fn shelf(kept: &mut Kept) -> &mut Shelf<Self> {
        &mut kept.floats
    }
}

impl Element for u8 {
    const FORGOTTEN: Self = 0xa5;

    fn shelf(kept: &mut Kept) -> &mut Shelf<Self> {
        &mut kept.bytes
    }
}

impl Element for u32 {
    const FORGOTTEN: Self = 0xa5a5_a5a5;

    fn shelf(kept: &mut Kept) -> &mut Shelf<Self> {
        &mut kept.words
    }
}

fn keep<T: Element>(values: Vec<T>) {
    KEPT.with_borrow_mut(|kept| {
        if kept.keepers > 0 && !values.is_empty() {
            T::shelf(kept).entry(values.len()).or_default().push(values);
        }
    });
}

/// `len` elements that have no values yet. A build with debug assertions fills them with what a
/// test notices, so that it sees an element that was forgotten.
///
/// # Safety
///
/// Every element is written before it is read.
pub(crate) unsafe fn unwritten<T: Element>(len: usize) -> Result<Vec<T>> {
    let kept = KEPT.with_borrow_mut(|kept| T::shelf(kept).get_mut(&len).and_then(Vec::pop));
    let mut values = match kept {
        Some(values) => values,
        None => {
            // SAFETY: the obligation is this function's own.
            let storage = unsafe { CpuDevice.alloc_uninit(&Shape::from(len), T::DTYPE)? };
            let mut values = T::cpu_storage_data(storage)?;
            advise_huge_pages(&mut values);
            values
        }
    };
    if cfg!(debug_assertions) {
        values.fill(T::FORGOTTEN);
    }
    Ok(values)
}

/// Floats of a cache line. A vector that begins where a line begins is read and written in one go.
const LINE: usize = 16;

/// How many floats of `values`, less than a line, lie before the first line begins.
fn before_line(values: &[f32]) -> usize {
    values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Floats for the time of one operation, from the beginning of a cache line on.
pub(crate) struct Lent {
    values: Vec<f32>,
    range: Range<usize>,
}

/// `len` floats that have no values yet.
///
/// # Safety
///
/// Every element is written before it is read.
pub(crate) unsafe fn lend(len: usize) -> Result<Lent> {
    // SAFETY: the obligation is this function's own.
    let values = unsafe { unwritten::<f32>(len + LINE)? };
    let start = before_line(&values);
    Ok(Lent { values, range: start..start + len })
}

impl Deref for Lent {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.range.clone()]
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.range.clone()]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.values));
    }
}

/// Asks for 2 MiB pages: a 512th of the faults.
#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(values: &mut [T]) {
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
fn advise_huge_pages<T>(_: &mut [T]) {}

/// Lends `len` floats of the calling thread's scratch memory to `f`, from the beginning of a cache line on. They hold what was left in
/// them: `f` writes before it reads. The memory stays with the thread, so that no tile of a
/// convolution is allocated twice.
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
