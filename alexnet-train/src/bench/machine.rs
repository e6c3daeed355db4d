//! The peaks of the machine, in matmuls and in copies of memory; and how much memory was used.

use alexnet_kernels::{ComputeDevice, Linear, normals};
use candle_core::{DType, Device, Module, Tensor};

use super::timing::{mean_seconds, queued};
use crate::error::Error;

/// Every peak is the fastest of so many tries.
const TRIES: usize = 6;

/// 10⁹ floating-point operations per second in matmuls of square matrices: the better of candle's,
/// in f32, and the linear layer's, at the device's precision. On a GPU the matrices are larger, and
/// only the linear layer is measured.
pub(super) fn gemm_peak(compute: &ComputeDevice) -> Result<f64, Error> {
    let side = if compute.is_async() { 8192 } else { 2048 };
    let matrix = |stream, dtype| {
        let values = normals(1, stream, 1.0, side * side);
        let matrix = Tensor::from_vec(values, (side, side), &Device::Cpu)?;
        matrix.to_dtype(dtype)?.to_device(compute.device())
    };
    let bias = Tensor::zeros(side, DType::F32, compute.device())?;
    let (a, b) = (matrix(1, compute.activations())?, matrix(2, compute.activations())?);
    let layer = Linear::new(b, bias)?;
    let mut seconds = fastest(compute, || Ok(layer.forward(&a)?))?;
    if !compute.is_async() {
        seconds = seconds.min(fastest(compute, || Ok(a.matmul(&a)?))?);
    }
    Ok(2.0 * (side * side * side) as f64 / seconds / 1e9)
}

/// 10⁹ bytes per second that copies read and write, beyond any cache, on all threads or on a GPU.
pub(super) fn copy_peak(compute: &ComputeDevice) -> Result<f64, Error> {
    let (bytes, seconds) = if compute.is_async() {
        let bytes = 1 << 30;
        let from = Tensor::zeros(bytes, DType::U8, compute.device())?;
        (bytes, fastest(compute, || Ok(from.copy()?))?)
    } else {
        let bytes = 256 << 20;
        let (from, mut to) = (vec![1u8; bytes], vec![0u8; bytes]);
        let part = bytes.div_ceil(rayon::current_num_threads());
        let copy = || {
            std::thread::scope(|scope| {
                for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                    scope.spawn(|| to.copy_from_slice(from));
                }
            });
            std::hint::black_box(&to);
            Ok(())
        };
        (bytes, fastest(compute, copy)?)
    };
    Ok(2.0 * bytes as f64 / seconds / 1e9)
}

/// The seconds of the fastest of several runs.
fn fastest<T>(
    compute: &ComputeDevice,
    mut run: impl FnMut() -> Result<T, Error>,
) -> Result<f64, Error> {
    let devices = std::slice::from_ref(compute);
    let mut time = || mean_seconds(devices, queued(compute), &mut run);
    (0..TRIES).try_fold(f64::INFINITY, |fastest, _| Ok(time()?.min(fastest)))
}

/// The most memory that this process has had so far, in bytes, where the system says (Linux).
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
