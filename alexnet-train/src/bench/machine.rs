//! What the machine can do at best: products of matrices, copies of memory; and how much memory was used.

use std::time::Instant;

use alexnet_kernels::{ComputeDevice, Linear, normals};
use candle_core::{DType, Device, Module, Result, Tensor};

use super::QUEUED;

/// Every peak is the fastest of so many tries.
const TRIES: usize = 6;

/// Billions of floating-point operations a second of products of square f32 matrices: the better of one
/// large product on all threads, and of the dense layer's, which multiplies as precisely as was asked for. A card's are
/// larger, and the dense layer's alone.
pub(super) fn gemm_peak(compute: &ComputeDevice) -> Result<f64> {
    let (side, repeats) = if compute.is_async() { (8192, QUEUED) } else { (2048, 1) };
    let matrix = |stream, stored| {
        let values = normals(1, stream, 1.0, side * side);
        let matrix = Tensor::from_vec(values, (side, side), &Device::Cpu)?;
        matrix.to_dtype(stored)?.to_device(compute.device())
    };
    let bias = Tensor::zeros(side, DType::F32, compute.device())?;
    let (a, b) = (matrix(1, compute.activations())?, matrix(2, compute.weights())?);
    let layer = Linear::new(b, bias)?;
    let mut fastest = f64::INFINITY;
    for attempt in 0..2 * TRIES {
        compute.wait()?;
        let start = Instant::now();
        for _ in 0..repeats {
            if attempt % 2 == 0 && !compute.is_async() {
                a.matmul(&a)?
            } else {
                layer.forward(&a)?
            };
        }
        compute.wait()?;
        fastest = fastest.min(start.elapsed().as_secs_f64() / repeats as f64);
    }
    Ok(2.0 * (side * side * side) as f64 / fastest / 1e9)
}

/// Billions of bytes a second that copies read and write, beyond any cache: on all threads, or on a card.
pub(super) fn copy_peak(compute: &ComputeDevice) -> Result<f64> {
    if !compute.is_async() {
        return Ok(copy_peak_of_threads(rayon::current_num_threads()));
    }
    const BYTES: usize = 1 << 30;
    let from = Tensor::zeros(BYTES, DType::U8, compute.device())?;
    let mut fastest = f64::INFINITY;
    for _ in 0..TRIES {
        compute.wait()?;
        let start = Instant::now();
        for _ in 0..QUEUED {
            from.copy()?;
        }
        compute.wait()?;
        fastest = fastest.min(start.elapsed().as_secs_f64() / QUEUED as f64);
    }
    Ok(2.0 * BYTES as f64 / fastest / 1e9)
}

fn copy_peak_of_threads(threads: usize) -> f64 {
    const BYTES: usize = 256 << 20;
    let (from, mut to) = (vec![1u8; BYTES], vec![0u8; BYTES]);
    let part = BYTES.div_ceil(threads);
    let mut fastest = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                scope.spawn(|| to.copy_from_slice(from));
            }
        });
        fastest = fastest.min(start.elapsed().as_secs_f64());
        std::hint::black_box(&to);
    }
    2.0 * BYTES as f64 / fastest / 1e9
}

/// The most memory this process has had so far, in bytes, where the system tells (Linux).
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
