//! cuDNN's descriptors of one convolution, and its algorithms under one type.

use std::mem::MaybeUninit;

use candle_core::cuda::cudarc::cudnn::result::{self, CudnnError};
use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{Result, bail};

use super::geometry::Geometry;
use crate::cuda::launch::Storage;
use crate::device::precision::Precision;

/// What cuDNN returned as a result of ours; `what` says what it was asked for.
pub(super) fn said<T>(what: &str, result: std::result::Result<T, CudnnError>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => bail!("cuDNN: {what}: {:?}", error.0),
    }
}

/// cuDNN's descriptors of one convolution. Tensors are NHWC.
pub(super) struct Descriptors {
    pub(super) x: sys::cudnnTensorDescriptor_t,
    pub(super) w: sys::cudnnFilterDescriptor_t,
    pub(super) y: sys::cudnnTensorDescriptor_t,
    pub(super) convolution: sys::cudnnConvolutionDescriptor_t,
}

// SAFETY: descriptors are plain memory of the library, not tied to a thread; after `new` only
// `set_math` writes them, and that takes `&mut`.
unsafe impl Send for Descriptors {}
// SAFETY: as above.
unsafe impl Sync for Descriptors {}

impl Descriptors {
    pub(super) fn new(g: &Geometry, storage: Storage, precision: Precision) -> Result<Self> {
        let what = "describing a convolution";
        // Filled one by one, so that `drop` destroys the first ones if a later one fails.
        let mut all = Self {
            x: said(what, result::create_tensor_descriptor())?,
            w: std::ptr::null_mut(),
            y: std::ptr::null_mut(),
            convolution: std::ptr::null_mut(),
        };
        all.w = said(what, result::create_filter_descriptor())?;
        all.y = said(what, result::create_tensor_descriptor())?;
        all.convolution = said(what, result::create_convolution_descriptor())?;
        let dims = |dims: [usize; 4]| -> Result<[i32; 4]> {
            let [a, b, c, d] = dims.map(i32::try_from);
            Ok([a?, b?, c?, d?])
        };
        let (format, data) = (sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC, data_type(storage));
        let float = sys::cudnnDataType_t::CUDNN_DATA_FLOAT; // sums are f32, whatever the storage is
        let cross = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        // cuDNN takes the sizes of any format as (N, C, H, W) and (O, C, kH, kW).
        let x = dims([g.batch, g.channels, g.input.0, g.input.1])?;
        let w = dims([g.out_channels, g.group_channels(), g.kernel.0, g.kernel.1])?;
        let y = dims([g.batch, g.out_channels, g.output.0, g.output.1])?;
        let [rows, columns, stride, groups] =
            dims([g.padding.top, g.padding.left, g.stride, g.groups])?;
        // SAFETY: the descriptors were created above and are live.
        unsafe {
            said(what, result::set_tensor4d_descriptor(all.x, format, data, x))?;
            said(what, result::set_filter4d_descriptor(all.w, data, format, w))?;
            said(what, result::set_tensor4d_descriptor(all.y, format, data, y))?;
            let (c, dilation) = (all.convolution, 1);
            let set = result::set_convolution2d_descriptor(
                c, rows, columns, stride, stride, dilation, dilation, cross, float,
            );
            said(what, set)?;
            said(what, result::set_convolution_group_count(c, groups))?;
        }
        all.set_math(match (storage, precision) {
            (Storage::F32, Precision::F32) => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            _ => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        })?;
        Ok(all)
    }

    pub(super) fn set_math(&mut self, math: sys::cudnnMathType_t) -> Result<()> {
        // SAFETY: the descriptor is live.
        said("setting the kind of arithmetic", unsafe {
            result::set_convolution_math_type(self.convolution, math)
        })
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: `new` created each that is not null, and nothing else uses them.
        unsafe {
            let _ = result::destroy_tensor_descriptor(self.x);
            if !self.w.is_null() {
                let _ = result::destroy_filter_descriptor(self.w);
            }
            if !self.y.is_null() {
                let _ = result::destroy_tensor_descriptor(self.y);
            }
            if !self.convolution.is_null() {
                let _ = result::destroy_convolution_descriptor(self.convolution);
            }
        }
    }
}

fn data_type(storage: Storage) -> sys::cudnnDataType_t {
    match storage {
        Storage::F32 => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        Storage::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
    }
}

/// An algorithm for one of the three passes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Data(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

/// What cuDNN says of an algorithm for one pass of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) algorithm: Algorithm,
    pub(super) works: bool,
    pub(super) deterministic: bool,
    pub(super) workspace: usize,
    pub(super) math: sys::cudnnMathType_t,
}

/// Room for the algorithms that cuDNN lists: more than it has for any pass.
const MOST: usize = 16;

/// A result of cuDNN's lists of algorithms. Those of the three passes have the same fields but
/// three types.
pub(super) trait Perf: Copy {
    fn found(&self) -> Found;
}

macro_rules! perf {
    ($perf:ident, $algorithm:ident) => {
        impl Perf for sys::$perf {
            fn found(&self) -> Found {
                let deterministic = sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC;
                Found {
                    algorithm: Algorithm::$algorithm(self.algo),
                    works: self.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
                    deterministic: self.determinism == deterministic,
                    workspace: self.memory,
                    math: self.mathType,
                }
            }
        }
    };
}
perf!(cudnnConvolutionFwdAlgoPerf_t, Forward);
perf!(cudnnConvolutionBwdDataAlgoPerf_t, Data);
perf!(cudnnConvolutionBwdFilterAlgoPerf_t, Filter);

/// The algorithms that `call` lists: cuDNN is given room for so many results, where to put their
/// count, and where to put them.
///
/// # Safety
///
/// `call` writes as many results as it counts, and at most as many as there is room for.
pub(super) unsafe fn list<P: Perf>(
    what: &str,
    call: impl FnOnce(i32, *mut i32, *mut P) -> sys::cudnnStatus_t,
) -> Result<Vec<Found>> {
    let (mut results, mut count) = ([const { MaybeUninit::<P>::uninit() }; MOST], 0);
    let status = call(MOST as i32, &raw mut count, results.as_mut_ptr().cast());
    said(what, status.result())?;
    let count = usize::try_from(count).unwrap_or(0).min(MOST);
    // SAFETY: `call` has written the first `count` results.
    Ok(results[..count].iter().map(|result| unsafe { result.assume_init_ref() }.found()).collect())
}
