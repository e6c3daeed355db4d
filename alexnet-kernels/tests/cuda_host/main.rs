//! The CUDA kernels on the host: the launches of `src/ops/*/launch.rs` run on `src/ops/*/*.cu`
//! built by a C++ compiler, every access checked, threads in both orders, against the references in
//! f64. Padding and the mean that follows the crop have none: they are held against the CPU's
//! operations.
//!
//! Without a C++ compiler each test prints that it was skipped; with `ALEXNET_NEEDS_CXX` set it
//! fails instead. Not seen here: what a GPU does differently, such as the rounding of its
//! reciprocal roots, or a race that both orders of threads hide.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub)] // a test is a crate of its own
#![allow(clippy::print_stdout)] // a test that is skipped says so

mod avg_pool;
mod bias_sgd;
mod blocks_groups;
mod elementwise;
mod input_loss;
mod kernels;
mod local2d;
mod lrn_pool;
mod max_pool;
mod memory;
mod response_norm;

use alexnet_kernels::Towers;
use alexnet_kernels::launch::Storage;
use alexnet_kernels::reference::Array;
use candle_core::{Device, Result, Tensor};

use memory::{Memory, Random};

/// Storages and alignments that choose different kernels.
const WAYS: [(Storage, bool); 4] =
    [(Storage::F32, false), (Storage::F32, true), (Storage::Bf16, false), (Storage::Bf16, true)];

/// Relative to the largest value: f32's noise over short sums, or bf16's rounding of the result.
fn tolerance(storage: Storage) -> f32 {
    match storage {
        Storage::F32 => 1e-5,
        Storage::Bf16 => 1.0 / 256.0,
    }
}

/// Channels-last values as the tensor `(B, C, H, W)` they are.
fn maps(values: &[f32], [b, h, w, c]: [usize; 4]) -> Result<Tensor> {
    Tensor::from_slice(values, (b, h, w, c), &Device::Cpu)?.permute((0, 3, 1, 2))
}

/// The values of a tensor `(B, C, H, W)`, channels last; of others in their order.
fn values(x: &Tensor) -> Result<Vec<f32>> {
    let x = if x.rank() == 4 { x.permute((0, 2, 3, 1))? } else { x.clone() };
    x.flatten_all()?.to_vec1()
}

/// Channels-last values as the references take maps, `(B, C, H, W)`.
fn array(values: &[f32], [b, h, w, c]: [usize; 4]) -> Array {
    let pixels = h * w;
    let of = |at: usize| {
        let (image, channel, pixel) = (at / (c * pixels), at / pixels % c, at % pixels);
        f64::from(values[(image * pixels + pixel) * c + channel])
    };
    Array { dims: vec![b, c, h, w], values: (0..values.len()).map(of).collect() }
}

/// Values in their order as the references take them.
fn plain(values: &[f32], dims: &[usize]) -> Array {
    Array { dims: dims.to_vec(), values: values.iter().map(|x| f64::from(*x)).collect() }
}

/// What a reference gave: maps channels last, others in their order.
fn exact(x: &Array) -> Vec<f32> {
    let &[b, c, h, w] = &x.dims[..] else { return x.values.iter().map(|x| *x as f32).collect() };
    let pixels = h * w;
    let of = |at: usize| {
        let (image, pixel, channel) = (at / (pixels * c), at / c % pixels, at % c);
        x.values[(image * c + channel) * pixels + pixel] as f32
    };
    (0..b * c * pixels).map(of).collect()
}

/// Towers that lie in any way.
fn random_towers(count: usize, random: &mut Random) -> Towers {
    let [input_apart, output_apart] = [(); 2].map(|()| random.pick(&[true, false]));
    Towers { count, input_apart, output_apart }
}

/// Channels-last values, pixels of `channels` of all towers, as they lie.
fn lie(towers: Towers, apart: bool, channels: usize, values: &[f32]) -> Vec<f32> {
    if !apart {
        return values.to_vec();
    }
    let row = channels / towers.count;
    let of_tower =
        |tower| values.chunks(channels).flat_map(move |pixel| &pixel[tower * row..][..row]);
    (0..towers.count).flat_map(of_tower).copied().collect()
}

/// `want` where `x` is above 0, else 0.
fn masked(want: Vec<f32>, x: &[f32]) -> Vec<f32> {
    want.into_iter().zip(x).map(|(want, &x)| if x > 0.0 { want } else { 0.0 }).collect()
}

#[track_caller]
fn assert_close(what: &str, got: &Memory, want: &[f32], tolerance: f32) {
    let got = got.floats();
    assert_eq!(got.len(), want.len(), "{what}: length");
    let largest = want.iter().fold(1e-3f32, |max, x| max.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let same = (got - want).abs() <= tolerance * largest || (got.is_nan() && want.is_nan());
        assert!(same, "{what}[{i}]: {got}, expected {want}");
    }
}

/// The body of a test for each way and for `cases` random draws; nothing without a compiler.
fn for_each_way(cases: u64, body: impl Fn(Storage, bool, &mut Random) -> Result<()>) -> Result<()> {
    if kernels::kernels().is_none() {
        return Ok(());
    }
    for case in 0..cases {
        for (storage, shifted) in WAYS {
            body(storage, shifted, &mut Random::new(case))?;
        }
    }
    Ok(())
}
