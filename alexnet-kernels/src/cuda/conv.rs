//! Convolution by cuDNN: forward, and both gradients.
//!
//! The algorithm of each pass is chosen once for each shape: by measuring all on the data at hand, or, where results
//! must be the same in every run, the first deterministic one of cuDNN's own list, which knows no clock. cuDNN pads
//! both sides alike; a map whose sides differ is padded by a copy first.

use std::mem::MaybeUninit;
use std::sync::Arc;

use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{CudaStorage, Layout, Result, bail};

use super::card::{Card, Fresh};
use super::cudnn::{
    Algorithm, Descriptors, Found, MOST, found_data, found_filter, found_forward, said,
};
use super::facts;
use super::handles::{self, Handles};
use crate::device::Precision;
use crate::launch::{self, MapSize, Span, Storage};

/// The sizes of one convolution; all fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvSize {
    pub(crate) batch: usize,
    /// Height and width of the input, without padding.
    pub(crate) input: (usize, usize),
    pub(crate) output: (usize, usize),
    pub(crate) kernel: (usize, usize),
    pub(crate) channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) stride: usize,
    /// Top, left, bottom, right.
    pub(crate) padding: [usize; 4],
    pub(crate) groups: usize,
}

impl ConvSize {
    fn inputs(&self) -> usize {
        self.batch * self.input.0 * self.input.1 * self.channels
    }

    fn pixels(&self) -> usize {
        self.batch * self.output.0 * self.output.1
    }

    fn outputs(&self) -> usize {
        self.pixels() * self.out_channels
    }

    fn weights(&self) -> usize {
        self.out_channels * self.kernel.0 * self.kernel.1 * self.channels / self.groups
    }

    fn lopsided(&self) -> bool {
        let [top, left, bottom, right] = self.padding;
        top != bottom || left != right
    }

    /// The same convolution over a map that has its padding already.
    fn over_padded(&self) -> Self {
        let ((h, w), [top, left, bottom, right]) = (self.input, self.padding);
        Self { input: (h + top + bottom, w + left + right), padding: [0; 4], ..*self }
    }

    fn map(&self) -> MapSize {
        MapSize { height: self.input.0, width: self.input.1, channels: self.channels }
    }
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    /// (x, w) → y.
    Forward,
    /// (w, dy) → dx.
    Data,
    /// (x, dy) → dw.
    Filter,
}

/// What a choice holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConvKey {
    size: ConvSize,
    storage: Storage,
    pass: Pass,
}

/// The choice.
pub(super) struct ConvPlan {
    descriptors: Descriptors,
    algorithm: Algorithm,
    workspace: usize,
}

/// `x` (B, H, W, C) and `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to (B, H', W', O); with
/// `relu` through a ReLU.
pub(crate) fn conv_forward(
    size: &ConvSize,
    (x, x_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    (bias, bias_l): (&CudaStorage, &Layout),
    relu: bool,
) -> Result<CudaStorage> {
    let card = Card::of(x);
    let (x, w) = (card.read("conv2d", x, x_l)?, card.read("conv2d", w, w_l)?);
    let (bias, _until) = card.read_as::<f32>("conv2d", bias, bias_l)?;
    let storage = same("the weights", x.storage, w.storage)?;
    let (size_over, mut padded) = padded(&card, size, storage, x.span)?;
    let mut y = card.fresh(storage, size.outputs())?;
    {
        let (input, y) = (padded.as_mut().map(|p| p.writing(&card)), y.writing(&card));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&card, &size_over, storage, Pass::Forward, [input, w.span, y.span])?;
        card.run(&launch::add_bias(storage, y.span, bias, relu)?)?;
    }
    Ok(y.finish(&card))
}

/// `w` and `dy` (B, H', W', O) to the gradient by `x`; with `rectified`, the input itself, 0 where that is not above 0.
pub(crate) fn conv_backward_data(
    size: &ConvSize,
    (w, w_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    rectified: Option<(&CudaStorage, &Layout)>,
) -> Result<CudaStorage> {
    let card = Card::of(dy);
    let (w, dy) = (card.read("conv2d", w, w_l)?, card.read("conv2d", dy, dy_l)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    let mut dx = card.fresh(storage, size.inputs())?;
    {
        let dx = dx.writing(&card);
        if size.lopsided() {
            let over = size.over_padded();
            let mut whole = card.fresh(storage, over.inputs())?;
            let whole = whole.writing(&card);
            convolve(&card, &over, storage, Pass::Data, [w.span, dy.span, whole.span])?;
            let offsets = [-(size.padding[0] as i32), -(size.padding[1] as i32)];
            let (maps, spans) = ([over.map(), size.map()], [whole.span, dx.span]);
            card.run(&launch::place(storage, spans, size.batch, maps, offsets)?)?;
        } else {
            convolve(&card, size, storage, Pass::Data, [w.span, dy.span, dx.span])?;
        }
        if let Some((x, x_l)) = rectified {
            let x = card.read("conv2d", x, x_l)?;
            same("the input", storage, x.storage)?;
            card.run(&launch::relu_backward(storage, [x.span, dx.span, dx.span], 1.0)?)?;
        }
    }
    Ok(dx.finish(&card))
}

/// `x` and `dy` to the gradient by `w` (O, kH, kW, C/groups), stored as they are.
pub(crate) fn conv_backward_filter(
    size: &ConvSize,
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let card = Card::of(x);
    let (x, dy) = (card.read("conv2d", x, x_l)?, card.read("conv2d", dy, dy_l)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (size_over, mut padded) = padded(&card, size, storage, x.span)?;
    let mut dw = card.fresh(storage, size.weights())?;
    {
        let (input, dw) = (padded.as_mut().map(|p| p.writing(&card)), dw.writing(&card));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&card, &size_over, storage, Pass::Filter, [input, dy.span, dw.span])?;
    }
    Ok(dw.finish(&card))
}

pub(super) fn same(what: &str, expected: Storage, got: Storage) -> Result<Storage> {
    if expected != got {
        bail!("conv2d: {what} must be stored as the rest, {expected:?}, got {got:?}")
    }
    Ok(expected)
}

/// The input with its padding around it, where cuDNN cannot pad it.
fn padded(
    card: &Card,
    size: &ConvSize,
    storage: Storage,
    x: Span,
) -> Result<(ConvSize, Option<Fresh>)> {
    if !size.lopsided() {
        return Ok((*size, None));
    }
    let over = size.over_padded();
    let mut whole = card.fresh(storage, over.inputs())?;
    {
        let whole = whole.writing(card);
        let offsets = [size.padding[0] as i32, size.padding[1] as i32];
        let maps = [size.map(), over.map()];
        card.run(&launch::place(storage, [x, whole.span], size.batch, maps, offsets)?)?;
    }
    Ok((over, Some(whole)))
}

/// Puts one pass into the stream: two operands and the result, in the order of [`Pass`].
fn convolve(
    card: &Card,
    size: &ConvSize,
    storage: Storage,
    pass: Pass,
    spans: [Span; 3],
) -> Result<()> {
    handles::with(card, |handles| {
        let key = ConvKey { size: *size, storage, pass };
        let plan = match handles.convolutions.get(&key) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Arc::new(choose(card, handles, &key, spans)?);
                handles.convolutions.insert(key, plan.clone());
                plan
            }
        };
        let workspace = handles.workspace(card, plan.workspace)?;
        // SAFETY: the spans are of the sizes the descriptors say, in memory that the caller holds, and the workspace
        // is as large as the algorithm asked for.
        said("convolving", unsafe { plan.run(handles.cudnn, spans, workspace).result() })
    })
}

impl ConvPlan {
    /// # Safety
    ///
    /// The spans are live memory of the sizes of the descriptors.
    unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        [a, b, result]: [Span; 3],
        workspace: Span,
    ) -> sys::cudnnStatus_t {
        let (one, zero) = (1f32, 0f32);
        let (one, zero) = ((&raw const one).cast(), (&raw const zero).cast());
        let (a, b) = (a.address as *const _, b.address as *const _);
        let (result, space) = (result.address as *mut _, workspace.address as *mut _);
        let Descriptors { x, w, y, convolution: c } = self.descriptors;
        let bytes = self.workspace;
        // SAFETY: by this function's own condition.
        unsafe {
            match self.algorithm {
                Algorithm::Forward(algorithm) => sys::cudnnConvolutionForward(
                    handle, one, x, a, w, b, c, algorithm, space, bytes, zero, y, result,
                ),
                Algorithm::Data(algorithm) => sys::cudnnConvolutionBackwardData(
                    handle, one, w, a, y, b, c, algorithm, space, bytes, zero, x, result,
                ),
                Algorithm::Filter(algorithm) => sys::cudnnConvolutionBackwardFilter(
                    handle, one, x, a, y, b, c, algorithm, space, bytes, zero, w, result,
                ),
            }
        }
    }
}

/// The most memory an algorithm may ask for, and the largest part of what is free.
const WORKSPACE: u64 = 1 << 30;
const PART_OF_FREE: u64 = 4;

/// The most for one that must be the same in every run, whatever else is on the card.
const WORKSPACE_OF_ANY_RUN: u64 = 256 << 20;

fn choose(card: &Card, handles: &mut Handles, key: &ConvKey, spans: [Span; 3]) -> Result<ConvPlan> {
    let ConvKey { size, storage, pass } = key;
    let options = handles.options;
    let mut descriptors = Descriptors::new(size, *storage, options.precision)?;
    let limit = if options.deterministic {
        WORKSPACE_OF_ANY_RUN
    } else {
        (facts::memory(&card.device)?.free / PART_OF_FREE).min(WORKSPACE)
    };
    let limit = usize::try_from(limit)?;
    let found = if options.deterministic {
        // SAFETY: handle and descriptors are live.
        unsafe { listed(handles.cudnn, &descriptors, *pass) }
    } else {
        let workspace = handles.workspace_if_there_is(card, limit)?;
        // SAFETY: as in `convolve`; the search writes the result, as the pass itself will.
        let found = unsafe { measured(handles.cudnn, &descriptors, *pass, spans, workspace) };
        handles.drop_workspace();
        found
    };
    let found = found?;
    let fits =
        |f: &&Found| f.works && f.workspace <= limit && (f.deterministic || !options.deterministic);
    let Some(best) = found.iter().find(fits) else {
        bail!("cuDNN has no algorithm for the {pass:?} pass of {size:?} in {storage:?}: {found:?}")
    };
    // `new` has set the arithmetic of f32: cuDNN's own default would round to TF32.
    if options.precision != Precision::F32 {
        descriptors.set_math(best.math)?;
    }
    Ok(ConvPlan { descriptors, algorithm: best.algorithm, workspace: best.workspace })
}

/// Every algorithm, the fastest on this card first.
///
/// # Safety
///
/// The handle is live, and the spans are live memory of the sizes of the descriptors.
unsafe fn measured(
    handle: sys::cudnnHandle_t,
    descriptors: &Descriptors,
    pass: Pass,
    [a, b, result]: [Span; 3],
    workspace: Span,
) -> Result<Vec<Found>> {
    let (a, b) = (a.address as *const _, b.address as *const _);
    let (result, space) = (result.address as *mut _, workspace.address as *mut _);
    let bytes = workspace.length as usize;
    let Descriptors { x, w, y, convolution: c } = *descriptors;
    let (most, mut count) = (MOST as i32, 0);
    let what = "measuring the algorithms of a convolution";
    // SAFETY: by this function's own condition; `MOST` results fit.
    unsafe {
        match pass {
            Pass::Forward => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnFindConvolutionForwardAlgorithmEx(
                    handle, x, a, w, b, c, y, result, most, &mut count, first, space, bytes,
                );
                said(what, status.result())?;
                Ok(found_forward(&results, count))
            }
            Pass::Data => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
                    handle, w, a, y, b, c, x, result, most, &mut count, first, space, bytes,
                );
                said(what, status.result())?;
                Ok(found_data(&results, count))
            }
            Pass::Filter => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
                    handle, x, a, y, b, c, w, result, most, &mut count, first, space, bytes,
                );
                said(what, status.result())?;
                Ok(found_filter(&results, count))
            }
        }
    }
}

/// Every algorithm in the order in which cuDNN expects them to be fast; the same list each time.
///
/// # Safety
///
/// The handle is live.
unsafe fn listed(
    handle: sys::cudnnHandle_t,
    descriptors: &Descriptors,
    pass: Pass,
) -> Result<Vec<Found>> {
    let Descriptors { x, w, y, convolution: c } = *descriptors;
    let (most, mut count) = (MOST as i32, 0);
    let what = "listing the algorithms of a convolution";
    // SAFETY: by this function's own condition; `MOST` results fit.
    unsafe {
        match pass {
            Pass::Forward => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnGetConvolutionForwardAlgorithm_v7(
                    handle, x, w, c, y, most, &mut count, first,
                );
                said(what, status.result())?;
                Ok(found_forward(&results, count))
            }
            Pass::Data => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnGetConvolutionBackwardDataAlgorithm_v7(
                    handle, w, y, c, x, most, &mut count, first,
                );
                said(what, status.result())?;
                Ok(found_data(&results, count))
            }
            Pass::Filter => {
                let mut results = [MaybeUninit::uninit(); MOST];
                let first = results.as_mut_ptr().cast();
                let status = sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                    handle, x, y, c, w, most, &mut count, first,
                );
                said(what, status.result())?;
                Ok(found_filter(&results, count))
            }
        }
    }
}
