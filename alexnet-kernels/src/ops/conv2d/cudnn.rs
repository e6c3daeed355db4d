//! Convolution by cuDNN: which algorithm runs each pass, chosen once for each shape.
//!
//! All algorithms are measured on the data at hand and the fastest is kept. Where results must be
//! the same in every run, it is the first deterministic one of cuDNN's heuristic list, which does
//! not depend on measurements.

use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{Result, bail};

use super::cudnn_descriptors::{Algorithm, Descriptors, Found, list, said};
use super::geometry::Geometry;
use crate::cuda::context::{self, CudaContext};
use crate::cuda::gpu::Gpu;
use crate::cuda::info;
use crate::cuda::launch::{Span, Storage};
use crate::device::precision::Precision;

/// The passes of a convolution, by cuDNN's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// (x, w) → y.
    Forward,
    /// (w, dy) → dx.
    Data,
    /// (x, dy) → dw.
    Filter,
}

/// What an algorithm is chosen for.
type ConvKey = (Geometry, Storage, Pass);

/// How a pass runs: its descriptors and the chosen algorithm.
struct ConvPlan {
    descriptors: Descriptors,
    algorithm: Algorithm,
    workspace: usize,
}

/// Queues one pass: its two operands and its result, in the order of [`Pass`].
pub(super) fn convolve(
    gpu: &Gpu,
    g: &Geometry,
    storage: Storage,
    pass: Pass,
    spans: [Span; 3],
) -> Result<()> {
    context::with(gpu, |context| {
        let choose = |context: &mut _, key: &_| choose(gpu, context, key, spans);
        let plan = context.plan((*g, storage, pass), choose)?;
        let workspace = context.workspace(gpu, plan.workspace)?;
        // SAFETY: the spans have the sizes of the descriptors, the caller keeps their memory alive,
        // and the workspace is as large as the algorithm asked for.
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

/// The largest workspace in bytes that an algorithm may ask for; it is also at most a quarter of
/// the free memory.
const WORKSPACE: u64 = 1 << 30;

/// The largest workspace where the choice must be the same in every run, however much memory is
/// free.
const DETERMINISTIC_WORKSPACE: u64 = 256 << 20;

fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    (g, storage, pass): &ConvKey,
    spans: [Span; 3],
) -> Result<ConvPlan> {
    let options = context.options;
    let mut descriptors = Descriptors::new(g, *storage, options.precision)?;
    let limit = if options.deterministic {
        DETERMINISTIC_WORKSPACE
    } else {
        (info::memory(&gpu.device)?.free / 4).min(WORKSPACE)
    };
    let limit = usize::try_from(limit)?;
    let found = if options.deterministic {
        // SAFETY: handle and descriptors are live.
        unsafe { listed(context.cudnn, &descriptors, *pass) }
    } else {
        let workspace = context.workspace_if_there_is(gpu, limit)?;
        // SAFETY: as in `convolve`; measuring writes the result, as the pass itself will.
        let found = unsafe { measured(context.cudnn, &descriptors, *pass, spans, workspace) };
        context.drop_workspace();
        found
    };
    let found = found?;
    let fits =
        |f: &&Found| f.works && f.workspace <= limit && (f.deterministic || !options.deterministic);
    let Some(best) = found.iter().find(fits) else {
        bail!("cuDNN has no algorithm for the {pass:?} pass of {g:?} in {storage:?}: {found:?}")
    };
    // In f32 the algorithm keeps the arithmetic that `Descriptors::new` has set: cuDNN's default
    // would round to TF32.
    if options.precision != Precision::F32 {
        descriptors.set_math(best.math)?;
    }
    Ok(ConvPlan { descriptors, algorithm: best.algorithm, workspace: best.workspace })
}

/// Every algorithm, the fastest on this GPU first.
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
    let what = "measuring the algorithms of a convolution";
    // SAFETY: by this function's own condition; cuDNN writes the results that it counts.
    unsafe {
        match pass {
            Pass::Forward => list(what, |room, count, first| {
                sys::cudnnFindConvolutionForwardAlgorithmEx(
                    handle, x, a, w, b, c, y, result, room, count, first, space, bytes,
                )
            }),
            Pass::Data => list(what, |room, count, first| {
                sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
                    handle, w, a, y, b, c, x, result, room, count, first, space, bytes,
                )
            }),
            Pass::Filter => list(what, |room, count, first| {
                sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
                    handle, x, a, y, b, c, w, result, room, count, first, space, bytes,
                )
            }),
        }
    }
}

/// Every algorithm, the fastest by cuDNN's estimate first; the list is the same each time.
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
    let what = "listing the algorithms of a convolution";
    // SAFETY: by this function's own condition; cuDNN writes the results that it counts.
    unsafe {
        match pass {
            Pass::Forward => list(what, |room, count, first| {
                sys::cudnnGetConvolutionForwardAlgorithm_v7(handle, x, w, c, y, room, count, first)
            }),
            Pass::Data => list(what, |room, count, first| {
                sys::cudnnGetConvolutionBackwardDataAlgorithm_v7(
                    handle, w, y, c, x, room, count, first,
                )
            }),
            Pass::Filter => list(what, |room, count, first| {
                sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                    handle, x, y, c, w, room, count, first,
                )
            }),
        }
    }
}
