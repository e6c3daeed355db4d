//! Error rates by the paper's protocol: softmax averaged over views, ties shared.

use std::path::Path;

use alexnet_data::{Split, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::{Mode, Network};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::feed::Feed;
use crate::prefetch::prefetch;
use crate::{Error, InputStage};

/// How wrong a network is on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images looked at.
    pub images: usize,
    /// Views averaged for each: 1 or 10.
    pub views: usize,
    /// Mean of −log of the right class's averaged probability.
    pub loss: f64,
    /// Images whose most probable class is wrong, per cent.
    pub top1_error: f64,
    /// Images whose five most probable classes are all wrong, per cent.
    pub top5_error: f64,
}

/// Images a forward pass.
const BATCH: usize = 128;

/// Evaluates `network` on `split` with one view or ten; `inputs` are for the device of each of its towers. `progress`
/// hears of images done.
///
/// # Errors
///
/// A record that cannot be read; images smaller than the network's crop.
pub fn evaluate(
    network: &Network,
    split: &Split,
    inputs: &[InputStage],
    views: Views,
    loader_threads: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, Error> {
    let [_, h, w] = network.spec().input;
    let list = test_views([split.height(), split.width()], [h, w], views)?;
    let records = |job: u64| {
        let first = job as usize / list.len() * BATCH;
        first..(first + BATCH).min(split.len())
    };
    let jobs = 0..(split.len().div_ceil(BATCH) * list.len()) as u64;
    let fill = |job: u64, batch: &mut alexnet_data::Batch| {
        let view = list[job as usize % list.len()];
        Ok(batch.fill_views(split, records(job), [h, w], view)?)
    };
    let _memory = PoolGuard::new(); // each batch uses what the one before has given back
    let mut score = Score::default();
    prefetch(loader_threads, jobs, fill, |batches| {
        let mut feed = Feed::new(batches, inputs)?;
        while score.images < split.len() {
            let mut mean: Vec<Vec<f64>> = Vec::new(); // (B, classes)
            let mut labels = Vec::new();
            for _ in &list {
                let mut batch = feed.next()?;
                let images = batch.images(inputs, 1.0)?;
                let logits = network.forward(&images[..], Mode::Test)?;
                drop(images);
                labels = std::mem::take(&mut batch.labels);
                feed.done(batch)?;
                add(&mut mean, &probabilities(&logits)?);
            }
            for (p, label) in mean.iter().zip(&labels) {
                score.add(p, *label as usize, list.len());
            }
            progress(score.images);
        }
        Ok(score.evaluation(list.len()))
    })
}

/// Softmax of each row of `(B, classes)`, in f64.
///
/// # Errors
///
/// No memory.
pub fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f64>>, Error> {
    let softmax = |row: Vec<f32>| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let e: Vec<f64> = row.iter().map(|x| f64::from(x - top).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|x| x / sum).collect()
    };
    Ok(logits.to_dtype(DType::F32)?.to_vec2::<f32>()?.into_iter().map(softmax).collect())
}

/// Classes from the most to the least probable with their probabilities, the first `top`.
pub fn ranking(probabilities: &[f64], top: usize) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = probabilities.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(top);
    ranked
}

fn add(sum: &mut Vec<Vec<f64>>, rows: &[Vec<f64>]) {
    if sum.is_empty() {
        sum.extend_from_slice(rows);
        return;
    }
    let pairs = sum.iter_mut().flatten().zip(rows.iter().flatten());
    pairs.for_each(|(s, p)| *s += p);
}

#[derive(Debug, Default)]
struct Score {
    images: usize,
    loss: f64,
    top1: f64,
    top5: f64,
}

impl Score {
    /// Counts one image whose probabilities, summed over `views`, are `p`.
    fn add(&mut self, p: &[f64], label: usize, views: usize) {
        self.images += 1;
        self.loss -= (p[label] / views as f64).max(f64::MIN_POSITIVE).ln();
        self.top1 += credit(p, label, 1);
        self.top5 += credit(p, label, 5);
    }

    fn evaluation(&self, views: usize) -> Evaluation {
        let per_cent = |right: f64| 100.0 * (self.images as f64 - right) / self.images as f64;
        Evaluation {
            images: self.images,
            views,
            loss: self.loss / self.images as f64,
            top1_error: per_cent(self.top1),
            top5_error: per_cent(self.top5),
        }
    }
}

/// How right `label` is among the first `places`: 1 or 0, or a share where classes tie for the last
/// places, as the original counts (places left over the number that tie).
fn credit(p: &[f64], label: usize, places: usize) -> f64 {
    if !p[label].is_finite() {
        return 0.0; // a network that has diverged is right about nothing
    }
    let above = p.iter().filter(|q| **q > p[label]).count();
    let ties = p.iter().filter(|q| **q == p[label]).count();
    (places.saturating_sub(above) as f64 / ties as f64).min(1.0)
}

/// Refuses weights whose classes are not the dataset's.
///
/// # Errors
///
/// [`Error::Classes`] or [`Error::ClassNames`], naming the first difference.
pub fn check_classes(
    checkpoint: &Path,
    weights: &[String],
    data: &Path,
    dataset: &[String],
) -> Result<(), Error> {
    let (checkpoint, data) = (checkpoint.to_owned(), data.to_owned());
    if weights.len() != dataset.len() {
        let (weights, dataset) = (weights.len(), dataset.len());
        return Err(Error::Classes { checkpoint, weights, data, dataset });
    }
    match weights.iter().zip(dataset).enumerate().find(|(_, (a, b))| a != b) {
        None => Ok(()),
        Some((index, (weights, dataset))) => Err(Error::ClassNames {
            checkpoint,
            data,
            index,
            weights: weights.clone(),
            dataset: dataset.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_places_left() {
        assert_eq!(credit(&[0.5, 0.3, 0.2], 0, 1), 1.0);
        assert_eq!(credit(&[0.4, 0.4, 0.2], 1, 1), 0.5);
        assert_eq!(credit(&[0.4, 0.3, 0.3], 2, 2), 0.5);
        assert_eq!(credit(&[0.1; 10], 3, 5), 0.5);
        assert_eq!(credit(&[f64::NAN; 3], 0, 1), 0.0);
    }
}
