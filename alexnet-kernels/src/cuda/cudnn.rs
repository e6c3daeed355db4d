//! cuDNN's descriptors of one convolution, and its algorithms under one type.

use candle_core::cuda::cudarc::cudnn::result::{self, CudnnError};
use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{Result, bail};

use super::launch::{MapSize, Storage};
use crate::device::precision::Precision;

/// cuDNN's word as an error of ours.
pub(crate) fn said<T>(what: &str, result: std::result::Result<T, CudnnError>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => bail!("cuDNN: {what}: {:?}", error.0),
    }
}

/// The descriptors of one convolution, channels last, padded on both sides alike.
pub(crate) struct Descriptors {
    pub(crate) x: sys::cudnnTensorDescriptor_t,
    pub(crate) w: sys::cudnnFilterDescriptor_t,
    pub(crate) y: sys::cudnnTensorDescriptor_t,
    pub(crate) convolution: sys::cudnnConvolutionDescriptor_t,
}

// SAFETY: descriptors are plain memory of the library's, not tied to a thread; nothing here writes them after `new`
// but `set_math`, which takes `&mut`.
unsafe impl Send for Descriptors {}
// SAFETY: as above.
unsafe impl Sync for Descriptors {}

impl Descriptors {
    pub(crate) fn new(size: &ConvSize, storage: Storage, precision: Precision) -> Result<Self> {
        let what = "describing a convolution";
        // Filled one by one, so that those there are go when a later one fails.
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
        let float = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
        let cross = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let ((h, w), (out_h, out_w), (kernel_h, kernel_w)) = (size.input, size.output, size.kernel);
        // Sizes are given as (N, C, H, W) and (O, C, kH, kW); the format says how they lie.
        let x = dims([size.batch, size.channels, h, w])?;
        let filter = dims([size.out_channels, size.channels / size.groups, kernel_h, kernel_w])?;
        let y = dims([size.batch, size.out_channels, out_h, out_w])?;
        let [top, left, stride, groups] =
            dims([size.padding[0], size.padding[1], size.stride, size.groups])?;
        // SAFETY: the descriptors were made above and are live.
        unsafe {
            said(what, result::set_tensor4d_descriptor(all.x, format, data, x))?;
            said(what, result::set_filter4d_descriptor(all.w, data, format, filter))?;
            said(what, result::set_tensor4d_descriptor(all.y, format, data, y))?;
            let (c, one) = (all.convolution, 1);
            // Sums are f32 for both storages.
            let set = result::set_convolution2d_descriptor(
                c, top, left, stride, stride, one, one, cross, float,
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

    pub(crate) fn set_math(&mut self, math: sys::cudnnMathType_t) -> Result<()> {
        // SAFETY: the descriptor is live.
        said("setting the kind of arithmetic", unsafe {
            result::set_convolution_math_type(self.convolution, math)
        })
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: each was made by `new` or is null, and nobody else has it.
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

/// An algorithm of one of the three passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Data(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

/// What cuDNN says of an algorithm for one convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) algorithm: Algorithm,
    pub(crate) works: bool,
    pub(crate) deterministic: bool,
    pub(crate) workspace: usize,
    pub(crate) math: sys::cudnnMathType_t,
}

/// How many algorithms cuDNN may name: more than it has for any pass.
pub(crate) const MOST: usize = 16;

/// The three passes' results have the same fields and three types.
macro_rules! found {
    ($name:ident, $perf:ident, $algorithm:ident) => {
        pub(crate) fn $name(
            results: &[std::mem::MaybeUninit<sys::$perf>],
            count: i32,
        ) -> Vec<Found> {
            let count = usize::try_from(count).unwrap_or(0).min(results.len());
            let of = |result: &std::mem::MaybeUninit<sys::$perf>| {
                // SAFETY: cuDNN has written the first `count` results.
                let result = unsafe { result.assume_init_ref() };
                Found {
                    algorithm: Algorithm::$algorithm(result.algo),
                    works: result.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
                    deterministic: result.determinism
                        == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC,
                    workspace: result.memory,
                    math: result.mathType,
                }
            };
            results[..count].iter().map(of).collect()
        }
    };
}
found!(found_forward, cudnnConvolutionFwdAlgoPerf_t, Forward);
found!(found_data, cudnnConvolutionBwdDataAlgoPerf_t, Data);
found!(found_filter, cudnnConvolutionBwdFilterAlgoPerf_t, Filter);

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
    pub(crate) fn inputs(&self) -> usize {
        self.batch * self.input.0 * self.input.1 * self.channels
    }

    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.output.0 * self.output.1
    }

    pub(crate) fn outputs(&self) -> usize {
        self.pixels() * self.out_channels
    }

    pub(crate) fn weights(&self) -> usize {
        self.out_channels * self.kernel.0 * self.kernel.1 * self.channels / self.groups
    }

    pub(crate) fn lopsided(&self) -> bool {
        let [top, left, bottom, right] = self.padding;
        top != bottom || left != right
    }

    /// The same convolution over a map that has its padding already.
    pub(crate) fn over_padded(&self) -> Self {
        let ((h, w), [top, left, bottom, right]) = (self.input, self.padding);
        Self { input: (h + top + bottom, w + left + right), padding: [0; 4], ..*self }
    }

    pub(crate) fn map(&self) -> MapSize {
        MapSize { height: self.input.0, width: self.input.1, channels: self.channels }
    }
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    /// (x, w) → y.
    Forward,
    /// (w, dy) → dx.
    Data,
    /// (x, dy) → dw.
    Filter,
}
