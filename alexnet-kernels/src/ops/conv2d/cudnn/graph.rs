//! What cuDNN is asked to compute: one pass of a convolution and what follows it on each element,
//! as a graph of operations.
//!
//! A tensor of the graph has a number, by which an execution plan is told its memory. A tensor
//! between two operations is virtual: it has no memory.

use candle_core::Result;
use candle_core::cuda::cudarc::cudnn::sys;

use super::descriptor::{Descriptor, Handle, Kind, Name};
use crate::cuda::launch::Storage;
use crate::ops::conv2d::geometry::Geometry;

/// The passes of a convolution, by cuDNN's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::ops::conv2d) enum Pass {
    /// (x, w) → y.
    Forward,
    /// (w, dy) → dx.
    Data,
    /// (x, dy) → dw.
    Filter,
}

/// What follows a pass on each element of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::ops::conv2d) enum After {
    Nothing,
    /// Adds a bias (O), f32.
    Bias,
    /// Adds a bias (O), f32, then a ReLU.
    BiasRelu,
    /// Zeros where `x` (B, H, W, C), a rectified map, is not above 0.
    ZeroWhereNotPositive,
}

/// One convolution without bias, as cuDNN runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) geometry: Geometry,
    /// Elements from a pixel of the input to the next: more than its channels where the map is a
    /// slice of a larger one. Likewise for the output.
    pub(super) pixels: [usize; 2],
    pub(super) storage: Storage,
    pub(super) pass: Pass,
    pub(super) after: After,
}

/// The numbers of the graph's tensors.
pub(super) const X: i64 = 1;
pub(super) const W: i64 = 2;
pub(super) const Y: i64 = 3;
/// The bias, or the rectified map.
pub(super) const EXTRA: i64 = 4;
/// Virtual ones.
const CONVOLVED: i64 = 5;
const SHIFTED: i64 = 6;

impl Problem {
    /// The graph, finalized.
    pub(super) fn graph(&self, handle: sys::cudnnHandle_t) -> Result<Descriptor> {
        let operations = self.operations()?;
        let all: Vec<&Descriptor> = operations.iter().collect();
        Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[Handle(handle)])?
            .with_all(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &all)?
            .finalized()
    }

    fn operations(&self) -> Result<Vec<Descriptor>> {
        use sys::cudnnPointwiseMode_t as Mode;
        let result = match self.pass {
            Pass::Forward => Y,
            Pass::Data => X,
            Pass::Filter => W,
        };
        let to = self.tensor(result)?;
        if self.after == After::Nothing {
            return Ok(vec![self.convolution(&to)?]);
        }
        let convolved = self.between(CONVOLVED, result)?;
        let mut all = vec![self.convolution(&convolved)?];
        match self.after {
            After::Nothing => {}
            After::Bias => {
                all.push(add(&convolved, &self.bias()?, &to)?);
            }
            After::BiasRelu => {
                let shifted = self.between(SHIFTED, result)?;
                all.push(add(&convolved, &self.bias()?, &shifted)?);
                all.push(
                    pointwise(Mode::CUDNN_POINTWISE_RELU_FWD)?
                        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &[&shifted])?
                        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &[&to])?
                        .finalized()?,
                );
            }
            After::ZeroWhereNotPositive => {
                let rectified = self.map(EXTRA, result)?;
                all.push(
                    pointwise(Mode::CUDNN_POINTWISE_RELU_BWD)?
                        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &[&rectified])?
                        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, &[&convolved])?
                        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, &[&to])?
                        .finalized()?,
                );
            }
        }
        Ok(all)
    }

    /// The operation of the pass, which writes `result`.
    fn convolution(&self, result: &Descriptor) -> Result<Descriptor> {
        let g = &self.geometry;
        let pair = |a: usize, b: usize| [a as i64, b as i64];
        let config = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2i64])?
            .with(
                Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE,
                &[sys::cudnnDataType_t::CUDNN_DATA_FLOAT],
            )?
            .with(
                Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE,
                &[sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION],
            )?
            .with(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &pair(g.padding.top, g.padding.left))?
            .with(
                Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
                &pair(g.padding.bottom, g.padding.right),
            )?
            .with(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &[1i64, 1])?
            .with(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &pair(g.stride, g.stride))?
            .finalized()?;
        let tensors = [X, W, Y].map(|number| self.tensor(number));
        let [x, w, y] = tensors;
        let (x, w, y) = (x?, w?, y?);
        let (kind, [of_config, alpha, beta], operands) = match self.pass {
            Pass::Forward => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                ],
                [
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &x),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &w),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, result),
                ],
            ),
            Pass::Data => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                ],
                [
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, result),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, &w),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, &y),
                ],
            ),
            Pass::Filter => (
                Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                [
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                    Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                ],
                [
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, &x),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, result),
                    (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, &y),
                ],
            ),
        };
        let operation = Descriptor::new(kind)?
            .with_all(of_config, &[&config])?
            .with(alpha, &[1f32])?
            .with(beta, &[0f32])?;
        let with = |operation: Descriptor, (name, tensor)| operation.with_all(name, &[tensor]);
        operands.into_iter().try_fold(operation, with)?.finalized()
    }

    /// One of the three tensors of the convolution.
    fn tensor(&self, number: i64) -> Result<Descriptor> {
        self.map(number, number)
    }

    /// Tensor `number`, of the sizes of the tensor `like`.
    fn map(&self, number: i64, like: i64) -> Result<Descriptor> {
        let (sizes, strides) = self.layout(like);
        tensor(number, data_type(self.storage), sizes, strides, false)
    }

    /// A virtual tensor of the sizes of the result; its elements are f32.
    fn between(&self, number: i64, result: i64) -> Result<Descriptor> {
        let (sizes, strides) = self.layout(result);
        tensor(number, sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sizes, strides, true)
    }

    /// The bias, one value for each output channel.
    fn bias(&self) -> Result<Descriptor> {
        let o = self.geometry.out_channels;
        let float = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
        tensor(EXTRA, float, [1, o, 1, 1], [o, 1, o, o], false)
    }

    /// Sizes and strides of a tensor, in the order (B, C, H, W) and (O, C, kH, kW).
    fn layout(&self, number: i64) -> ([usize; 4], [usize; 4]) {
        let g = &self.geometry;
        let layout =
            |[n, c, h, w]: [usize; 4], pixel| ([n, c, h, w], [h * w * pixel, 1, w * pixel, pixel]);
        match number {
            X => layout([g.batch, g.channels, g.input.0, g.input.1], self.pixels[0]),
            Y => layout([g.batch, g.out_channels, g.output.0, g.output.1], self.pixels[1]),
            _ => {
                let c = g.group_channels();
                layout([g.out_channels, c, g.kernel.0, g.kernel.1], c)
            }
        }
    }
}

fn tensor(
    number: i64,
    data: sys::cudnnDataType_t,
    sizes: [usize; 4],
    strides: [usize; 4],
    is_virtual: bool,
) -> Result<Descriptor> {
    Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
        .with(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[number])?
        .with(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[data])?
        .with(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[16i64])?
        .with(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, &sizes.map(|size| size as i64))?
        .with(Name::CUDNN_ATTR_TENSOR_STRIDES, &strides.map(|stride| stride as i64))?
        .with(Name::CUDNN_ATTR_TENSOR_IS_VIRTUAL, &[is_virtual])?
        .finalized()
}

fn data_type(storage: Storage) -> sys::cudnnDataType_t {
    match storage {
        Storage::F32 => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        Storage::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
    }
}

/// `to = x + b` on each element.
fn add(x: &Descriptor, b: &Descriptor, to: &Descriptor) -> Result<Descriptor> {
    pointwise(sys::cudnnPointwiseMode_t::CUDNN_POINTWISE_ADD)?
        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &[x])?
        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_BDESC, &[b])?
        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &[to])?
        .finalized()
}

/// An operation on each element, without its operands. A NaN stays one.
fn pointwise(mode: sys::cudnnPointwiseMode_t) -> Result<Descriptor> {
    let float = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
    let mut of = Descriptor::new(Kind::CUDNN_BACKEND_POINTWISE_DESCRIPTOR)?
        .with(Name::CUDNN_ATTR_POINTWISE_MODE, &[mode])?
        .with(Name::CUDNN_ATTR_POINTWISE_MATH_PREC, &[float])?;
    if mode == sys::cudnnPointwiseMode_t::CUDNN_POINTWISE_RELU_FWD {
        let keep = sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN;
        of = of.with(Name::CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, &[keep])?;
    }
    Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)?
        .with_all(Name::CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, &[&of.finalized()?])
}
