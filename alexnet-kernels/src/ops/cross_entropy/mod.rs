//! Softmax and multinomial logistic loss, with their gradient, as one operation.
//!
//! ```text
//! loss[b] = ln Σ exp(z[b,j] − m) − (z[b,label] − m)                m = max z[b,j], 0 ≤ j < K
//! mean = Σ loss[b] / B
//! dz[b,j] = (exp(z[b,j] − m) / Σ exp(z[b,i] − m) − [j = label]) / B
//! ```
//!
//! Shapes: logits `z` and `dz` are `(B, K)` f32, labels `(B)` u32, losses `(B)`, the mean a scalar.
//! Units: losses are in nats.
//! Errors: other ranks or dtypes, no elements, a label of K or more.
//! On a card nobody waits to read the labels: one of K or more makes its loss and its row of `dz` NaN.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.5.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::simd::vectorized;
use crate::layout::{dims2, produce, values};

const OP: &str = "softmax-cross-entropy";

/// The loss; it has no constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftmaxCrossEntropy;

impl SoftmaxCrossEntropy {
    /// Logits (B, K) and labels (B) to the mean loss, a scalar.
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, no elements, a label of K or more.
    pub fn forward(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        check(logits, labels)?;
        logits.contiguous()?.apply_op2(&labels.contiguous()?, Mean)
    }

    /// Logits (B, K) and labels (B) to the loss of each row, (B), and the gradient of the *mean*
    /// loss by the logits, (B, K).
    ///
    /// # Errors
    ///
    /// Those of [`SoftmaxCrossEntropy::forward`].
    pub fn loss_and_gradient(&self, logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
        let (b, k) = check(logits, labels)?;
        loss_and_gradient(&logits.contiguous()?, &labels.contiguous()?, (b, k))
    }
}

fn check(logits: &Tensor, labels: &Tensor) -> Result<(usize, usize)> {
    let (b, k) = dims2(OP, "the logits", logits)?;
    if labels.dtype() != DType::U32 || labels.dims() != [b] {
        let (dtype, shape) = (labels.dtype(), labels.dims());
        bail!("{OP}: the labels must be u32 of shape [{b}], got {dtype:?} of shape {shape:?}")
    }
    Ok((b, k))
}

/// Both results are views of one storage, since an operation gives back one.
fn loss_and_gradient(
    logits: &Tensor,
    labels: &Tensor,
    (b, k): (usize, usize),
) -> Result<(Tensor, Tensor)> {
    #[cfg(feature = "cuda")]
    if logits.device().is_cuda() {
        return cuda::loss_and_gradient(logits, labels);
    }
    let both = logits.apply_op2_no_bwd(labels, &LossAndGradient)?; // (B + B·K)
    Ok((both.narrow(0, 0, b)?, both.narrow(0, b, b * k)?.reshape((b, k))?))
}

/// The checked inputs of a pass: K, logits and labels.
fn inputs<'a>(
    (logits, logits_l): (&'a CpuStorage, &Layout),
    (labels, labels_l): (&'a CpuStorage, &Layout),
) -> Result<(usize, &'a [f32], &'a [u32])> {
    let (_, k) = logits_l.shape().dims2()?;
    let (logits, labels) = (values(OP, logits, logits_l)?, values::<u32>(OP, labels, labels_l)?);
    if let Some((row, label)) = labels.iter().enumerate().find(|&(_, &l)| l as usize >= k) {
        bail!("{OP}: the label of row {row} is {label}, with {k} classes it must be below {k}")
    }
    Ok((k, logits, labels))
}

/// The loss of one row; `exps` gets `exp(z − m)`, and their sum comes second.
#[inline(always)]
fn row_loss(logits: &[f32], label: u32, exps: &mut [f32]) -> (f32, f64) {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, &z| if z > max { z } else { max });
    let mut sum = 0.0;
    for (exp, z) in exps.iter_mut().zip(logits) {
        *exp = (z - max).exp();
        sum += f64::from(*exp);
    }
    ((sum.ln() - f64::from(logits[label as usize] - max)) as f32, sum)
}

/// `(logits, labels) → mean loss`.
struct Mean;

impl CustomOp2 for Mean {
    fn name(&self) -> &'static str {
        OP
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        logits: &CudaStorage,
        l: &Layout,
        labels: &CudaStorage,
        labels_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let mean = cuda::mean_loss((logits, l), (labels, labels_l))?;
        Ok((mean, Shape::from(())))
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_l: &Layout,
        labels: &CpuStorage,
        labels_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (k, logits, labels) = inputs((logits, logits_l), (labels, labels_l))?;
        let rows = logits.par_chunks_exact(k).zip(labels);
        let losses: Vec<f32> = rows
            .map_init(|| vec![0.0; k], |exps, (logits, &label)| row_loss(logits, label, exps).0)
            .collect();
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        Ok((CpuStorage::F32(vec![(sum / losses.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        _mean: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, dz) = loss_and_gradient(logits, labels, logits.dims2()?)?;
        Ok((Some(dz.broadcast_mul(gradient)?), None))
    }
}

/// `(logits, labels) → losses, then the gradient`, (B + B·K).
struct LossAndGradient;

impl CustomOp2 for LossAndGradient {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_l: &Layout,
        labels: &CpuStorage,
        labels_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (k, logits, labels) = inputs((logits, logits_l), (labels, labels_l))?;
        let batch = labels.len();
        produce(batch + batch * k, |both| {
            let (losses, gradient) = both.split_at_mut(batch);
            let rows = gradient.par_chunks_exact_mut(k).zip(logits.par_chunks_exact(k));
            rows.zip(losses).zip(labels).for_each(|(((dz, logits), loss), &label)| {
                vectorized(
                    #[inline(always)]
                    || {
                        let (row, sum) = row_loss(logits, label, dz);
                        let scale = (1.0 / (sum * batch as f64)) as f32;
                        dz.iter_mut().for_each(|dz| *dz *= scale);
                        dz[label as usize] -= 1.0 / batch as f32;
                        *loss = row;
                    },
                );
            });
            Ok(())
        })
    }
}
