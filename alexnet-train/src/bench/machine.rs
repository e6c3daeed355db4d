//! What the machine can do at best: products of matrices, copies of memory; and how much memory was used.

use std::time::Instant;

use alexnet_kernels::{Linear, normals};
use candle_core::{DType, Device, Result, Tensor};

/// Every peak is the fastest of so many tries.
const TRIES: usize = 6;

/// Billions of floating-point operations a second of products of square f32 matrices: the better of one
/// large product on all threads, and of the dense layer's, which cuts it into many on one thread each.
pub(super) fn gemm_peak() -> Result<f64> {
    const SIDE: usize = 2048;
    let matrix =
        |stream| Tensor::from_vec(normals(1, stream, 1.0, SIDE * SIDE), (SIDE, SIDE), &Device::Cpu);
    let (a, b, bias) = (matrix(1)?, matrix(2)?, Tensor::zeros(SIDE, DType::F32, &Device::Cpu)?);
    let mut fastest = f64::INFINITY;
    for attempt in 0..2 * TRIES {
        let start = Instant::now();
        if attempt % 2 == 0 {
            a.matmul(&b)?
        } else {
            Linear.forward(&a, &b, &bias)?
        };
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (SIDE * SIDE * SIDE) as f64 / fastest / 1e9)
}

/// Billions of bytes a second that copies on `threads` threads read and write, beyond any cache.
pub(super) fn copy_peak(threads: usize) -> f64 {
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
