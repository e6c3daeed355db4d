//! Convolution on GPUs: cuDNN's passes and what follows them, over inputs as cuDNN takes them.
//!
//! cuDNN is fast over channels in multiples of 8 and pads opposite sides alike. So a strided
//! convolution over few channels runs over blocks of pixels (`over_blocks.rs`), and any other
//! with padding of one side over a copy of the input that has its padding already.

use candle_core::{DType, Result, bail};

use super::config::Padding;
use super::cudnn::{After, Job, Operands, Pass, convolve};
use super::geometry::Geometry;
use super::input::Input;
use super::launch::{self, KernelBlocks};
use super::over_blocks::OverBlocks;
use crate::cuda::gpu::{Gpu, Reading, Uninit, same};
use crate::cuda::launch::{MapSize, Span, Storage};
use crate::op;
use crate::ops::activation::launch::zero_where_not_positive;
use crate::ops::bias::cuda::column_sums;
use crate::ops::fusion::Epilogue;
use crate::ops::space_to_depth::cuda::space_to_depth;

/// The input, `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to `y` (B, H',
/// W', O) with its epilogue, or without the rest; with `keep` also the blocks, if they were made
/// here.
pub(super) fn forward(
    input: &Input,
    [x, w, bias]: op::CudaInputs<'_, 3>,
    rest: Option<Epilogue>,
    keep: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, w, bias) = (gpu.read(&x)?, gpu.read(&w)?, gpu.read_as(DType::F32, &bias)?);
    let storage = same("the weights", x.storage, w.storage)?;
    let (after, extra) = match rest {
        None => (After::Nothing, None),
        Some(Epilogue::None) => (After::Bias, Some(bias)),
        Some(Epilogue::Relu) => (After::BiasRelu, Some(bias)),
    };
    let Taken { geometry, blocks, x, memory } = Taken::new(&gpu, input, &x)?;
    let in_blocks = match &blocks {
        Some(blocks) => {
            let all = gpu.uninit(storage, geometry.weight_shape())?;
            gpu.run(&launch::weights_to_depth(storage, of_kernel(blocks), [w.span, all.span])?)?;
            Some(all)
        }
        None => None,
    };
    let w = in_blocks.as_ref().map_or(w.span, |weights| weights.span);
    let y = gpu.produce(storage, input.output_shape(), |y| {
        let job = Job { geometry, storage, pass: Pass::Forward, after };
        convolve_parts(&gpu, &job, &Operands { x, w, y, extra }, input.parts())
    })?;
    Ok(match memory {
        Some(memory) if keep && blocks.is_some() => y.and(memory.output()),
        _ => y,
    })
}

/// `dy` (B, H', W', O) and `w` to `dx` (B, H, W, C); through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_grad(
    input: &Input,
    [dy, w, x]: op::CudaInputs<'_, 3>,
    through_relu: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(dy.storage);
    let (dy, w, x) = (gpu.read(&dy)?, gpu.read(&w)?, gpu.read(&x)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    let job = |geometry, after| Job { geometry, storage, pass: Pass::Data, after };
    let with = |x, extra| Operands { x, w: w.span, y: dy.span, extra };
    let (g, parts) = (input.convolved(), input.parts());
    gpu.produce(storage, input.input_shape(), |dx| {
        let rectified = through_relu.then_some(x.span);
        if through_relu {
            same("the input", storage, x.storage)?;
        }
        let over = match over_padded_input(g) {
            Some(over) if parts == 1 => over,
            _ => {
                let after = if through_relu { After::ZeroWhereNotPositive } else { After::Nothing };
                return convolve_parts(&gpu, &job(*g, after), &with(dx, rectified), parts);
            }
        };
        let padded = gpu.uninit(storage, over.input_shape())?;
        convolve(&gpu, &job(over, After::Nothing), &with(padded.span, None))?;
        pad(&gpu, storage, [padded.span, dx], [&over, g], g.padding, -1)?;
        match rectified {
            Some(x) => gpu.run(&zero_where_not_positive(storage, x, dx)?),
            None => Ok(()),
        }
    })
}

/// The input and `dy` to `dw` (O, kH, kW, C/groups), stored as they are, and `db` (O), f32.
pub(super) fn weight_grad(
    input: &Input,
    [x, dy]: op::CudaInputs<'_, 2>,
    with_bias: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, dy) = (gpu.read(&x)?, gpu.read(&dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let Taken { geometry, blocks, x, memory: _memory } = Taken::new(&gpu, input, &x)?;
    let job = Job { geometry, storage, pass: Pass::Filter, after: After::Nothing };
    let parts = input.parts();
    let run = |w| convolve_parts(&gpu, &job, &Operands { x, w, y: dy.span, extra: None }, parts);
    let dw = gpu.produce(storage, input.weight_shape(), |dw| match &blocks {
        None => run(dw),
        Some(blocks) => {
            let all = gpu.uninit(storage, geometry.weight_shape())?;
            run(all.span)?;
            gpu.run(&launch::weights_from_depth(storage, of_kernel(blocks), [all.span, dw])?)
        }
    })?;
    match with_bias {
        true => Ok(dw.and(column_sums(&gpu, &dy, geometry.out_channels, parts)?)),
        false => Ok(dw),
    }
}

/// Runs a job over each of equal parts of all operands.
fn convolve_parts(gpu: &Gpu, job: &Job, operands: &Operands, parts: usize) -> Result<()> {
    let bytes = job.storage.bytes();
    let of_extra = match job.after {
        After::ZeroWhereNotPositive => bytes,
        _ => size_of::<f32>(), // a bias
    };
    (0..parts).try_for_each(|number| {
        let part = |span: Span, bytes: usize| span.part(number, parts, bytes);
        let [x, w, y] = [operands.x, operands.w, operands.y].map(|span| part(span, bytes));
        let extra = operands.extra.map(|span| part(span, of_extra));
        convolve(gpu, job, &Operands { x, w, y, extra })
    })
}

/// An input as cuDNN takes it.
struct Taken {
    /// What cuDNN convolves.
    geometry: Geometry,
    /// The blocks, if it is in blocks.
    blocks: Option<OverBlocks>,
    x: Span,
    /// The memory of `x`, if it is a copy.
    memory: Option<Uninit>,
}

impl Taken {
    fn new(gpu: &Gpu, input: &Input, x: &Reading) -> Result<Self> {
        let g = match input {
            Input::Pixels(g) => g,
            Input::Blocks(blocks) => {
                let (geometry, blocks) = (blocks.plain, Some(*blocks));
                return Ok(Self { geometry, blocks, x: x.span, memory: None });
            }
            Input::Apart(g, _) if over_padded_input(g).is_none() => {
                return Ok(Self { geometry: *g, blocks: None, x: x.span, memory: None });
            }
            Input::Apart(..) => bail!("conv2d: groups apart are padded alike on all sides"),
        };
        let copied = |geometry, blocks, memory: Uninit| {
            Ok(Self { geometry, blocks, x: memory.span, memory: Some(memory) })
        };
        if let Some(blocks) = OverBlocks::of(g).filter(OverBlocks::pays_on_gpu) {
            let images = (g.batch, map_size(g));
            let memory = space_to_depth(gpu, &blocks.of_images(g), images, x)?;
            return copied(blocks.plain, Some(blocks), memory);
        }
        if let Some(over) = over_padded_input(g) {
            let memory = gpu.uninit(x.storage, over.input_shape())?;
            pad(gpu, x.storage, [x.span, memory.span], [g, &over], g.padding, 1)?;
            return copied(over, None, memory);
        }
        Ok(Self { geometry: *g, blocks: None, x: x.span, memory: None })
    }
}

fn of_kernel(blocks: &OverBlocks) -> KernelBlocks {
    let ((height, width), channels) = (blocks.kernel, blocks.channels);
    KernelBlocks {
        outputs: blocks.plain.out_channels,
        kernel: MapSize { height, width, channels },
        blocks: blocks.plain.kernel,
        side: blocks.side,
    }
}

fn map_size(g: &Geometry) -> MapSize {
    MapSize { height: g.input.0, width: g.input.1, channels: g.channels }
}

/// Copies the inputs of one convolution to where those of the other are: with `sign` 1 pads them,
/// with −1 cuts the padding off.
fn pad(
    gpu: &Gpu,
    storage: Storage,
    spans: [Span; 2],
    from_to: [&Geometry; 2],
    padding: Padding,
    sign: i32,
) -> Result<()> {
    let offsets = [padding.top, padding.left].map(|pixels| sign * pixels as i32);
    gpu.run(&launch::pad(storage, spans, from_to[0].batch, from_to.map(map_size), offsets)?)
}

/// The same convolution over an input that has its padding already; `None` where cuDNN can pad.
fn over_padded_input(g: &Geometry) -> Option<Geometry> {
    let Padding { top, bottom, left, right } = g.padding;
    let input = (g.input.0 + top + bottom, g.input.1 + left + right);
    let over = Geometry { input, padding: Padding::same(0), ..*g };
    (top != bottom || left != right).then_some(over)
}
