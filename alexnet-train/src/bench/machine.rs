//! The peaks of the machine, in matmuls and in copies of memory.

use alexnet_kernels::{ComputeDevice, Linear, gemm_library_runs, normals};
use candle_core::{DType, Device, Module, Tensor};
use rayon::prelude::*;

use super::timing::fastest;
use crate::error::Error;
use crate::trainer::repeated;

/// Every peak is the fastest of so many tries.
const TRIES: usize = 6;

/// A GPU with no more memory than this is measured with less of it.
const SMALL: u64 = 4 << 30;

/// Rows of the matrices that differ.
const DIFFERENT_ROWS: usize = 256;

/// 10⁹ floating-point operations per second in matmuls of square matrices: the better of candle's,
/// in f32, and the linear layer's, at the device's precision. On a GPU the matrices are larger,
/// where it has the memory, and only the linear layer is measured.
pub(super) fn gemm_peak(compute: &ComputeDevice) -> Result<f64, Error> {
    let side = if compute.memory().is_some_and(|gpu| gpu.total > SMALL) { 8192 } else { 2048 };
    // A GPU works faster on zeros, so the matrices are random; their rows come again.
    let matrix = |stream, dtype| {
        let values = normals(1, stream, 1.0, DIFFERENT_ROWS * side);
        let rows = Tensor::from_vec(values, (DIFFERENT_ROWS, side), &Device::Cpu)?;
        repeated(&rows.to_dtype(dtype)?.to_device(compute.device())?, side)
    };
    let bias = Tensor::zeros(side, DType::F32, compute.device())?;
    let (a, b) = (matrix(1, compute.activations())?, matrix(2, compute.activations())?);
    let layer = Linear::new(b, bias)?;
    let (mut seconds, ()) = fastest(compute, TRIES, || Ok(layer.forward(&a).map(drop)?))?;
    if !compute.is_async() && gemm_library_runs() {
        let (by_candle, ()) = fastest(compute, TRIES, || Ok(a.matmul(&a).map(drop)?))?;
        seconds = seconds.min(by_candle);
    }
    Ok(2.0 * (side * side * side) as f64 / seconds / 1e9)
}

/// 10⁹ bytes per second that copies read and write, beyond any cache, on all threads or on a GPU.
pub(super) fn copy_peak(compute: &ComputeDevice) -> Result<f64, Error> {
    let bytes = match compute.memory() {
        Some(memory) => (1 << 30).min(memory.total as usize / 16),
        None => 256 << 20,
    };
    let (seconds, ()) = if compute.is_async() {
        let from = Tensor::zeros(bytes, DType::U8, compute.device())?;
        fastest(compute, TRIES, || Ok(from.copy().map(drop)?))?
    } else {
        let (from, mut to) = (vec![1u8; bytes], vec![0u8; bytes]);
        let part = bytes.div_ceil(rayon::current_num_threads());
        fastest(compute, TRIES, || {
            let parts = from.par_chunks(part).zip(to.par_chunks_mut(part));
            parts.for_each(|(from, to)| to.copy_from_slice(from));
            std::hint::black_box(&to);
            Ok(())
        })?
    };
    Ok(2.0 * bytes as f64 / seconds / 1e9)
}
