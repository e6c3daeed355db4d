//! What the networks that PyTorch has trained too share: the integer formulas of `twin.py`, and how
//! numbers are held against PyTorch's.

use candle_core::{Result, Tensor};
use serde_json::Value;

/// Scatters the bits of an integer.
pub(crate) fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

/// `n` values of parameter number `p`, uniform with standard deviation `std`, in PyTorch's order.
pub(crate) fn weights(p: u32, n: usize, std: f64) -> Vec<f32> {
    let scale = (2.0 * 3f64.sqrt() * std) as f32;
    let value = |i: u32| {
        let bits = mix(i.wrapping_mul(16).wrapping_add(p + 1)) >> 8;
        (bits as f32 * 2f32.powi(-24) - 0.5) * scale
    };
    (0..n as u32).map(value).collect()
}

/// Root mean square.
pub(crate) fn rms(t: &Tensor) -> Result<f64> {
    let n = t.elem_count() as f64;
    let values = t.flatten_all()?.to_vec1::<f32>()?;
    Ok((values.into_iter().map(|x| f64::from(x).powi(2)).sum::<f64>() / n).sqrt())
}

#[track_caller]
pub(crate) fn assert_close(what: &str, got: f64, want: &Value, tolerance: f64) -> f64 {
    let want = want.as_f64().unwrap();
    let apart = (got / want - 1.0).abs();
    assert!(apart <= tolerance, "{what}: {got}, PyTorch {want}: {apart:.1e} apart");
    apart
}
