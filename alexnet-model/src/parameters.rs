//! The parameters of a network: names, shapes, layout in memory and on disk, first values.
//!
//! On disk a weight is PyTorch's: `(O, I/groups, kH, kW)` for a convolution, `(O, I)` for a dense layer,
//! where a map that enters a dense layer is flattened in channel, row, column order. In memory channels
//! come last, as in activations: a convolution's weights are logically `(O, I/groups, kH, kW)` over memory
//! `(O, kH, kW, I/groups)`, and a dense layer's inputs are in row, column, channel order.

use alexnet_kernels::{normals, philox4x32, uniform};
use candle_core::{Device, Result, Tensor, bail};

use crate::{Init, Layer, LayerKind, Normal, Shape};

/// Name of a layer's weights.
pub(crate) fn weight_name(layer: &Layer) -> String {
    format!("{}.weight", layer.spec.name)
}

/// Name of a layer's biases.
pub(crate) fn bias_name(layer: &Layer) -> String {
    format!("{}.bias", layer.spec.name)
}

/// Weights from PyTorch's layout to the layout in memory.
pub(crate) fn to_memory(layer: &Layer, disk: &Tensor) -> Result<Tensor> {
    match (disk.rank(), layer.input) {
        (4, _) => alexnet_kernels::channels_last(disk), // (O, I, kH, kW), memory (O, kH, kW, I)
        (2, Shape::Map(c, h, w)) => {
            let o = disk.dim(0)?;
            disk.reshape((o, c, h, w))?.permute((0, 2, 3, 1))?.reshape((o, h * w * c))
        }
        _ => disk.contiguous(),
    }
}

/// Weights from the layout in memory to PyTorch's.
pub(crate) fn to_disk(layer: &Layer, memory: &Tensor) -> Result<Tensor> {
    match (memory.rank(), layer.input) {
        (2, Shape::Map(c, h, w)) => {
            let o = memory.dim(0)?;
            memory.reshape((o, h, w, c))?.permute((0, 3, 1, 2))?.reshape((o, c * h * w))
        }
        _ => memory.contiguous(),
    }
}

/// The first values of a layer's weights and biases, in PyTorch's layout: a function of `seed` and
/// the parameter's name alone.
pub(crate) fn initial(
    layer: &Layer,
    shape: &[usize],
    seed: u64,
    device: &Device,
) -> Result<[Tensor; 2]> {
    let (LayerKind::Conv { init, .. } | LayerKind::Linear { init, .. }) = layer.spec.kind else {
        bail!("layer `{}` has no parameters", layer.spec.name)
    };
    let (n, outputs) = (shape.iter().product(), shape[0]);
    let stream = |name: String| fnv1a(name.as_bytes());
    let (weight, bias) = match init {
        Init::Normal(Normal { std, bias }) => {
            (normals(seed, stream(weight_name(layer)), std, n), vec![bias; outputs])
        }
        Init::Rule(crate::Rule::FanIn) => {
            let bound = 1.0 / (shape[1..].iter().product::<usize>() as f32).sqrt();
            let of = |name, n| uniforms(seed, stream(name), bound, n);
            (of(weight_name(layer), n), of(bias_name(layer), outputs))
        }
    };
    Ok([Tensor::from_vec(weight, shape, device)?, Tensor::from_vec(bias, outputs, device)?])
}

/// `n` numbers uniform in ±`bound`, a function of seed and stream.
fn uniforms(seed: u64, stream: u64, bound: f32, n: usize) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let draw = |block: usize| {
        philox4x32(key, [block as u32, (block >> 32) as u32, stream as u32, (stream >> 32) as u32])
    };
    let mut values: Vec<f32> =
        (0..n.div_ceil(4)).flat_map(draw).map(|bits| bound * (2.0 * uniform(bits) - 1.0)).collect();
    values.truncate(n);
    values
}

/// FNV-1a, 64 bits: names to streams of random numbers, the same on every machine for ever.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}
