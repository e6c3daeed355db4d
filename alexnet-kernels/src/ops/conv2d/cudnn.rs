//! Convolution by cuDNN: which algorithm runs each pass, chosen once for each shape.
//!
//! By measuring all on the data at hand, or, where results must be the same in every run, the first
//! deterministic one of cuDNN's own list, which knows no clock.

use std::mem::MaybeUninit;
use std::sync::Arc;

use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{Result, bail};

use crate::cuda::context::{self, CudaContext};
use crate::cuda::cudnn::{
    Algorithm, ConvSize, Descriptors, Found, MOST, Pass, found_data, found_filter, found_forward,
    said,
};
use crate::cuda::gpu::Gpu;
use crate::cuda::info;
use crate::cuda::launch::{Span, Storage};
use crate::device::precision::Precision;

/// What a choice holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ConvKey {
    size: ConvSize,
    storage: Storage,
    pass: Pass,
}

/// The choice.
struct ConvPlan {
    descriptors: Descriptors,
    algorithm: Algorithm,
    workspace: usize,
}

/// Puts one pass into the stream: two operands and the result, in the order of [`Pass`].
pub(super) fn convolve(
    gpu: &Gpu,
    size: &ConvSize,
    storage: Storage,
    pass: Pass,
    spans: [Span; 3],
) -> Result<()> {
    context::with(gpu, |context| {
        let key = ConvKey { size: *size, storage, pass };
        let plan = match context.plans::<ConvKey, ConvPlan>().get(&key) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Arc::new(choose(gpu, context, &key, spans)?);
                context.plans().insert(key, plan.clone());
                plan
            }
        };
        let workspace = context.workspace(gpu, plan.workspace)?;
        // SAFETY: the spans are of the sizes the descriptors say, in memory that the caller holds, and the workspace
        // is as large as the algorithm asked for.
        said("convolving", unsafe { plan.run(context.cudnn, spans, workspace).result() })
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

/// The most for one that must be the same in every run, whatever else is on the gpu.
const WORKSPACE_OF_ANY_RUN: u64 = 256 << 20;

fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    key: &ConvKey,
    spans: [Span; 3],
) -> Result<ConvPlan> {
    let ConvKey { size, storage, pass } = key;
    let options = context.options;
    let mut descriptors = Descriptors::new(size, *storage, options.precision)?;
    let limit = if options.deterministic {
        WORKSPACE_OF_ANY_RUN
    } else {
        (info::memory(&gpu.device)?.free / PART_OF_FREE).min(WORKSPACE)
    };
    let limit = usize::try_from(limit)?;
    let found = if options.deterministic {
        // SAFETY: handle and descriptors are live.
        unsafe { listed(context.cudnn, &descriptors, *pass) }
    } else {
        let workspace = context.workspace_if_there_is(gpu, limit)?;
        // SAFETY: as in `convolve`; the search writes the result, as the pass itself will.
        let found = unsafe { measured(context.cudnn, &descriptors, *pass, spans, workspace) };
        context.drop_workspace();
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
