//! Softmax and multinomial logistic loss, with their gradient and whether the guess is right, as
//! one operation.
//!
//! ```text
//! loss[b] = ln Σ exp(z[b,j] − m) − (z[b,label] − m)                m = max z[b,j], 0 ≤ j < K
//! mean = Σ loss[b] / B
//! dz[b,j] = (exp(z[b,j] − m) / Σ exp(z[b,i] − m) − [j = label]) / B
//! right[b] = [z[b,label] = m] / |{j : z[b,j] = m}|
//! ```
//!
//! Shapes: logits `z` and `dz` are `(B, K)` f32, labels `(B)` u32, losses and `right` are the rows
//! of `(2, B)`, the mean a scalar.
//! Units: losses are in nats; `right` is 1 where the label is the most probable class, its share
//! where several classes tie for that, else 0.
//! Errors: other ranks or dtypes, no elements, a label of K or more.
//! On a GPU the labels are not checked, since that would wait for the GPU: a label of K or more
//! makes its loss and its row of `dz` NaN.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.5.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

use candle_core::{CpuStorage, DType, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::check::dims;
use crate::cpu::scratch::uninit;
use crate::cpu::simd::vectorized;
use crate::op::{self, Apply, Op, produce};

const OP: &str = "cross-entropy";

/// Logits `(B, K)` and labels `(B)` u32 to the mean loss, a scalar that candle can differentiate.
///
/// ```
/// use alexnet_kernels::cross_entropy;
/// use candle_core::{Device, Tensor};
///
/// let logits = Tensor::new(&[[0f32, 0.0, 0.0, 0.0]], &Device::Cpu)?; // four classes, all alike
/// let labels = Tensor::new(&[2u32], &Device::Cpu)?;
/// assert_eq!(cross_entropy(&logits, &labels)?.to_scalar::<f32>()?, 4f32.ln());
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Other ranks or dtypes, no elements, a label of K or more.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    check(logits, labels)?;
    Mean.apply([&logits.contiguous()?, &labels.contiguous()?])
}

/// Logits `(B, K)` and labels `(B)` u32 to the loss of each row, `(B)`, and the gradient of the
/// *mean* loss with respect to the logits, `(B, K)`, in one pass.
///
/// ```
/// use alexnet_kernels::cross_entropy_with_grad;
/// use candle_core::{Device, Tensor};
///
/// let logits = Tensor::new(&[[0f32, 0.0], [0.0, 0.0]], &Device::Cpu)?;
/// let (losses, grad) = cross_entropy_with_grad(&logits, &Tensor::new(&[0u32, 1], &Device::Cpu)?)?;
/// assert_eq!(losses.to_vec1::<f32>()?, [2f32.ln(); 2]);
/// assert_eq!(grad.to_vec2::<f32>()?, [[-0.25, 0.25], [0.25, -0.25]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`cross_entropy`].
pub fn cross_entropy_with_grad(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let (results, gradient) = cross_entropy_with_guesses(logits, labels)?;
    Ok((results.get(0)?, gradient))
}

/// [`cross_entropy_with_grad`] that says in the same pass how right the guesses are. Its first
/// result is `(2, B)`: the losses, and for each row 1 where its label is the most probable class,
/// 1/n where it is one of n, else 0.
///
/// ```
/// use alexnet_kernels::cross_entropy_with_guesses;
/// use candle_core::{Device, Tensor};
///
/// let logits = Tensor::new(&[[0f32, 0.0], [0.0, 3f32.ln()]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let (results, _) = cross_entropy_with_guesses(&logits, &labels)?;
/// assert_eq!(results.get(1)?.to_vec1::<f32>()?, [0.5, 1.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`cross_entropy`].
pub fn cross_entropy_with_guesses(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    check(logits, labels)?;
    LossAndGrad.run_two([&logits.contiguous()?, &labels.contiguous()?])
}

fn check(logits: &Tensor, labels: &Tensor) -> Result<()> {
    let [b, _] = dims(OP, "the logits", logits)?;
    if labels.dtype() != DType::U32 || labels.dims() != [b] {
        let (dtype, shape) = (labels.dtype(), labels.dims());
        bail!("{OP}: the labels must be u32 of shape [{b}], got {dtype:?} of shape {shape:?}")
    }
    Ok(())
}

/// K, the logits and the labels, after a check that all labels are below K.
fn checked_values<'a>(
    [logits, labels]: op::CpuInputs<'a, 2>,
) -> Result<(usize, &'a [f32], &'a [u32])> {
    let (_, k) = logits.shape().dims2()?;
    let (logits, labels) = (logits.values()?, labels.values::<u32>()?);
    if let Some((row, label)) = labels.iter().enumerate().find(|&(_, &l)| l as usize >= k) {
        bail!("{OP}: the label of row {row} is {label}, with {k} classes it must be below {k}")
    }
    Ok((k, logits, labels))
}

/// The largest logit of a row.
#[inline(always)]
fn largest(logits: &[f32]) -> f32 {
    logits.iter().fold(f32::NEG_INFINITY, |max, &z| if z > max { z } else { max })
}

/// How right the guess of a row is.
#[inline(always)]
fn right(logits: &[f32], label: u32) -> f32 {
    let max = largest(logits);
    let ties: u32 = logits.iter().map(|&z| u32::from(z == max)).sum();
    if logits[label as usize] == max { 1.0 / ties as f32 } else { 0.0 }
}

/// The loss of one row and the sum of `exp(z − m)`, whose terms `exps` gets.
#[inline(always)]
fn row_loss(logits: &[f32], label: u32, exps: &mut [f32]) -> (f32, f64) {
    let max = largest(logits);
    let mut sum = 0.0;
    for (exp, z) in exps.iter_mut().zip(logits) {
        *exp = (z - max).exp();
        sum += f64::from(*exp);
    }
    ((sum.ln() - f64::from(logits[label as usize] - max)) as f32, sum)
}

/// `(logits, labels) → mean loss`.
struct Mean;

impl Op<2> for Mean {
    const NAME: &'static str = OP;

    fn cpu(&self, inputs: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let (k, logits, labels) = checked_values(inputs)?;
        let rows = logits.par_chunks_exact(k).zip(labels);
        let losses: Vec<f32> = rows
            .map_init(|| vec![0.0; k], |exps, (logits, &label)| row_loss(logits, label, exps).0)
            .collect();
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        let mean = vec![(sum / losses.len() as f64) as f32];
        Ok((CpuStorage::F32(mean), Shape::from(())).into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        cuda::mean_loss(inputs)
    }

    fn gradients(
        &self,
        [logits, labels]: [&Tensor; 2],
        _: &Tensor,
        dmean: &Tensor,
    ) -> Result<op::Grads<2>> {
        let (_, dz) = LossAndGrad.run_two([logits, labels])?;
        Ok([Some(dz.broadcast_mul(dmean)?), None])
    }
}

/// `(logits, labels) → losses and what is right (2, B)`, and the gradient `(B, K)`.
struct LossAndGrad;

impl Op<2> for LossAndGrad {
    const NAME: &'static str = OP;

    fn cpu(&self, inputs: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let (k, logits, labels) = checked_values(inputs)?;
        let batch = labels.len();
        // SAFETY: the loop below writes each row, `row_loss` all of it.
        let mut gradient = unsafe { uninit::<f32>(logits.len())? };
        let results = produce((2, batch), |results| {
            let results = results.split_at_mut(batch);
            let results = results.0.par_iter_mut().zip(results.1);
            let rows = gradient.par_chunks_exact_mut(k).zip(logits.par_chunks_exact(k));
            rows.zip(results).zip(labels).for_each(|(((dz, logits), (loss, is_right)), &label)| {
                vectorized!({
                    *is_right = right(logits, label);
                    let (row, sum) = row_loss(logits, label, dz);
                    let scale = (1.0 / (sum * batch as f64)) as f32;
                    dz.iter_mut().for_each(|dz| *dz *= scale);
                    dz[label as usize] -= 1.0 / batch as f32;
                    *loss = row;
                });
            });
            Ok(())
        })?;
        Ok(results.and((CpuStorage::F32(gradient), Shape::from((batch, k)))))
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        cuda::loss_and_grad(inputs)
    }
}
