//! From logits to probabilities, and to the most probable classes.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use crate::error::Error;

/// The softmax of each row of logits `(B, classes)`, in f64.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let logits = Tensor::new(&[[0f32, 0.0], [0.0, 3f32.ln()]], &Device::Cpu)?;
/// let rows = alexnet_train::probabilities(&logits)?;
/// assert_eq!(rows[0], [0.5, 0.5]);
/// assert!((rows[1][1] - 0.75).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A tensor of another rank; an error of a device.
pub fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f64>>, Error> {
    Ok(logits.to_dtype(DType::F32)?.to_vec2()?.iter().map(|row: &Vec<f32>| softmax(row)).collect())
}

/// Adds the softmax of logits `(B, classes)` to `sums`, of the same shape or with fewer rows: those
/// beyond are padding. Where `sums` is empty, it gets `images` rows first.
///
/// # Errors
///
/// [`Error::Outputs`] for probabilities that are not finite.
pub(super) fn add_softmax(
    logits: &Tensor,
    images: usize,
    sums: &mut Vec<f64>,
) -> Result<(), Error> {
    let (_, classes) = logits.dims2()?;
    if sums.is_empty() {
        sums.resize(images * classes, 0.0);
    }
    let logits: Vec<f32> = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let width = classes.max(1);
    let rows = sums.par_chunks_mut(width).zip(logits.par_chunks(width));
    rows.try_for_each(|(sums, row)| {
        let probabilities = softmax(row);
        if probabilities.iter().any(|p| !p.is_finite()) {
            return Err(Error::Outputs);
        }
        sums.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p);
        Ok(())
    })
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f64> = row.iter().map(|x| f64::from(x - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|x| x / sum).collect()
}

/// The `top` most probable classes with their probabilities, the most probable first.
///
/// ```
/// let ranked = alexnet_train::ranking(&[0.1, 0.7, 0.2], 2);
/// assert_eq!(ranked, [(1, 0.7), (2, 0.2)]);
/// ```
pub fn ranking(probabilities: &[f64], top: usize) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = probabilities.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(top);
    ranked
}
