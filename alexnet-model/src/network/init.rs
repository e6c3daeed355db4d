//! The first values of a network's parameters, a function of the seed and the parameter's name.

use alexnet_kernels::{normals, philox4x32, uniform};
use candle_core::{Device, Result, Tensor, bail};

use super::fused_layer::FusedLayer;
use super::parameter::names;
use crate::spec::{Init, LayerKind, Rule};

/// The first values of a layer's weight, of shape `shape`, and bias, in the layout of a file.
pub(super) fn initial(
    layer: &FusedLayer,
    shape: &[usize],
    seed: u64,
    device: &Device,
) -> Result<[Tensor; 2]> {
    let (LayerKind::Conv { init, .. }
    | LayerKind::Local { init, .. }
    | LayerKind::Linear { init, .. }) = layer.kind
    else {
        bail!("layer `{}` has no parameters", layer.name)
    };
    let (n, outputs) = (shape.iter().product(), shape[0]);
    let streams = names(&layer.name).map(|name| fnv1a(name.as_bytes()));
    let (weight, bias) = match init {
        Init::Normal { std, bias } => (normals(seed, streams[0], std, n), vec![bias; outputs]),
        Init::Rule(Rule::FanIn) => {
            let bound = 1.0 / (shape[1..].iter().product::<usize>() as f32).sqrt();
            let [weight, bias] = streams.map(|stream| (seed, stream, bound));
            (uniforms(weight, n), uniforms(bias, outputs))
        }
    };
    Ok([Tensor::from_vec(weight, shape, device)?, Tensor::from_vec(bias, outputs, device)?])
}

/// `n` numbers uniform in ±`bound`, a function of seed and stream.
fn uniforms((seed, stream, bound): (u64, u64, f32), n: usize) -> Vec<f32> {
    let halves = |x: u64| [x as u32, (x >> 32) as u32];
    let ([stream_low, stream_high], key) = (halves(stream), halves(seed));
    let draw = |block: usize| {
        let [low, high] = halves(block as u64);
        philox4x32(key, [low, high, stream_low, stream_high])
    };
    let bits = (0..n.div_ceil(4)).flat_map(draw).take(n);
    bits.map(|bits| bound * (2.0 * uniform(bits) - 1.0)).collect()
}

/// FNV-1a, 64 bits: names to streams of random numbers, the same on every machine for ever.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}
