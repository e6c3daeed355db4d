//! How large the weights of each layer are, their gradients and their updates.
//!
//! The norm of the update divided by that of the weights is about 0.001 where a rate is right; a
//! gradient of 0 tells of a layer that no longer learns.

use alexnet_kernels::Sgd;
use alexnet_model::{Network, Parameter, Role};
use candle_core::{CpuStorage, DType, Result, Storage, Tensor};
use rayon::prelude::*;

use crate::log::event::LayerNorms;
use crate::train::optimizer::Optimizer;

/// Values whose squares are added by one thread, and on a GPU by one pair of operations.
const PIECE: usize = 1 << 22;

/// The sums of squares of one step, while it is made.
#[derive(Debug)]
pub(crate) struct StepNorms {
    gradients: Vec<Option<Tensor>>, // a scalar for each weight
}

impl StepNorms {
    pub(crate) fn new(network: &Network) -> Self {
        Self { gradients: network.parameters().map(|_| None).collect() }
    }

    /// Takes the gradient of parameter `index`.
    pub(crate) fn add(&mut self, index: usize, gradient: &Tensor) -> Result<()> {
        if let Some(place) = self.gradients.get_mut(index) {
            *place = Some(sum_of_squares(gradient)?);
        }
        Ok(())
    }

    /// The norms of each layer that has weights, after the update. It waits for a GPU. Layers that
    /// are frozen have no gradient and no update.
    pub(crate) fn layers(
        self,
        network: &Network,
        optimizer: &Optimizer,
        rates: &[Sgd],
    ) -> Result<Vec<LayerNorms>> {
        let mut layers: Vec<(String, [f64; 3])> = Vec::new();
        for (index, parameter) in network.parameters().enumerate() {
            let Parameter { role: Role::Weight, layer, .. } = parameter else { continue };
            let Some([weight, velocity]) = optimizer.rows(index)? else { continue };
            let is_trained = rates.get(index).is_some_and(|rule| rule.rate > 0.0);
            let gradient = self.gradients[index].as_ref().map(scalar).transpose()?;
            let update = if is_trained { scalar(&sum_of_squares(&velocity)?)? } else { 0.0 };
            let sums = [scalar(&sum_of_squares(&weight)?)?, gradient.unwrap_or(0.0), update];
            // Towers have rows of the same layer.
            match layers.iter_mut().find(|(name, _)| name == layer) {
                Some((_, all)) => all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum),
                None => layers.push((layer.clone(), sums)),
            }
        }
        let norms = |(layer, sums): (String, [f64; 3])| {
            let [weight, gradient, update] = sums.map(|sum| sum.sqrt() as f32);
            LayerNorms { layer, weight, gradient, update }
        };
        Ok(layers.into_iter().map(norms).collect())
    }
}

fn scalar(sum: &Tensor) -> Result<f64> {
    sum.to_dtype(DType::F64)?.to_scalar()
}

/// The sum of the squares of all values, a scalar. The result does not depend on the number of
/// threads.
fn sum_of_squares(t: &Tensor) -> Result<Tensor> {
    let (storage, layout) = t.storage_and_layout();
    if let (Storage::Cpu(CpuStorage::F32(values)), Some((first, end))) =
        (&*storage, layout.contiguous_offsets())
    {
        // In f32 by lanes within a few values, in f64 above.
        let piece = |piece: &[f32]| -> f64 {
            piece.chunks(1 << 12).map(|values| f64::from(lanes(values))).sum()
        };
        let sums: Vec<f64> = values[first..end].par_chunks(PIECE / 64).map(piece).collect();
        return Tensor::new(sums.iter().sum::<f64>(), t.device());
    }
    drop(storage);
    let flat = t.flatten_all()?;
    let mut sum = Tensor::zeros((), DType::F32, t.device())?;
    for first in (0..flat.elem_count()).step_by(PIECE) {
        let piece = flat.narrow(0, first, PIECE.min(flat.elem_count() - first))?;
        sum = (sum + piece.to_dtype(DType::F32)?.sqr()?.sum_all()?)?;
    }
    Ok(sum)
}

/// The sum of squares of a few values, in 16 lanes that the compiler makes vectors of.
fn lanes(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * value;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}
