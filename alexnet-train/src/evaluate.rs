//! Error rates by the paper's protocol: probabilities are averaged over views, and ties are shared.

use std::path::Path;

use alexnet_data::{Batch, Dataset, Split, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::{Mode, Network};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::device_batches::DeviceBatches;
use crate::devices::read_together;
use crate::error::Error;
use crate::input::InputStage;
use crate::prefetch::prefetch;

/// How wrong a network is on a split.
///
/// An image counts as right where its label is among the most probable classes. Classes that tie
/// for the last places share them: of ten classes that are equally probable, an image is half right
/// among the first five.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// How many views of each image were averaged: 1 or 10.
    pub views: usize,
    /// The mean of −log of the averaged probability of the right class.
    pub loss: f64,
    /// The images whose most probable class is wrong, per cent.
    pub top1_error: f64,
    /// The images whose five most probable classes are all wrong, per cent.
    pub top5_error: f64,
}

/// Images in a forward pass.
const BATCH: usize = 128;

/// Evaluates `network` on `split` with one view of each image or ten. `inputs` are for the device
/// of each of its towers. `progress` is called with the number of images so far.
///
/// # Errors
///
/// A record that cannot be read; images smaller than the network's crops; [`Error::Outputs`] for a
/// network that has diverged.
pub fn evaluate(
    network: &Network,
    split: &Split,
    inputs: &[InputStage],
    views: Views,
    loader_threads: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, Error> {
    let [_, h, w] = network.spec().input;
    let views = test_views([split.height(), split.width()], [h, w], views)?;
    let is_async = inputs.iter().any(|input| input.compute.is_async());
    let records = |first: usize| first..(first + BATCH).min(split.len());
    let jobs = (split.len().div_ceil(BATCH) * views.len()) as u64;
    let fill = |job: u64, batch: &mut Batch| {
        let (first, view) = (job as usize / views.len() * BATCH, job as usize % views.len());
        batch.fill_views(split, records(first), [h, w], views[view])?;
        if is_async {
            // For a last batch of another size a GPU would search for the fastest algorithms again.
            pad(batch, BATCH.min(split.len()));
        }
        Ok(())
    };
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    let mut score = Score::new(split, views.len(), network.spec().classes().unwrap_or(0));
    prefetch(loader_threads, 0..jobs, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, inputs)?;
        let mut pending = Vec::new(); // logits (B, classes) that a GPU may still be working on
        for job in 0..jobs {
            let (batch, _) = batches.next()?;
            let input = batches.images(&batch, 1.0)?; // (B, 3, h, w) on each device
            pending.push(network.forward(&input[..], Mode::Test)?);
            drop(input);
            batches.release(batch)?;
            if pending.len() == read_together(is_async) || job + 1 == jobs {
                let before = score.images;
                for logits in pending.drain(..) {
                    score.add(&probabilities(&logits)?)?;
                }
                if score.images > before {
                    progress(score.images);
                }
            }
        }
        Ok(score.evaluation())
    })
}

/// Adds black images to a batch until it has `images`.
fn pad(batch: &mut Batch, images: usize) {
    batch.pixels.resize(images * batch.height * batch.width * 3, 0);
    batch.labels.resize(images, 0);
    batch.color_shift.resize(images, [0.0; 3]);
    if let Some(last) = batch.views.last().copied() {
        batch.views.resize(images, last);
    }
}

/// The sums of an evaluation so far.
struct Score<'a> {
    split: &'a Split,
    views: usize,
    classes: usize,
    /// The probabilities of the classes, `(B, classes)`, over the views of the current batch so
    /// far.
    sums: Vec<Vec<f64>>,
    /// How many views of the current batch are in `sums`.
    added: usize,
    /// Images of the batches before that.
    images: usize,
    loss: f64,
    right: [f64; 2], // top-1 and top-5
}

impl<'a> Score<'a> {
    fn new(split: &'a Split, views: usize, classes: usize) -> Self {
        let (sums, added, images) = (Vec::new(), 0, 0);
        Self { split, views, classes, sums, added, images, loss: 0.0, right: [0.0; 2] }
    }

    /// Adds the probabilities of one view of the next batch. Rows beyond the split are padding.
    fn add(&mut self, rows: &[Vec<f64>]) -> Result<(), Error> {
        if self.added == 0 {
            let images = BATCH.min(self.split.len() - self.images);
            self.sums = vec![vec![0.0; self.classes]; images];
        }
        if rows.iter().flatten().any(|p| !p.is_finite()) {
            return Err(Error::Outputs);
        }
        let pairs = self.sums.iter_mut().flatten().zip(rows.iter().flatten());
        pairs.for_each(|(sum, p)| *sum += p);
        self.added += 1;
        if self.added < self.views {
            return Ok(());
        }
        for sums in &self.sums {
            let of_label = sums.get(self.split.label(self.images)? as usize);
            let of_label = of_label.copied().unwrap_or(f64::NAN);
            self.loss -= (of_label / self.views as f64).max(f64::MIN_POSITIVE).ln();
            self.right[0] += credit(sums, of_label, 1);
            self.right[1] += credit(sums, of_label, 5);
            self.images += 1;
        }
        self.added = 0;
        Ok(())
    }

    fn evaluation(&self) -> Evaluation {
        let Self { images, views, loss, .. } = *self;
        let count = images as f64;
        let [top1_error, top5_error] = self.right.map(|right| 100.0 * (count - right) / count);
        Evaluation { images, views, loss: loss / count, top1_error, top5_error }
    }
}

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
    let softmax = |row: Vec<f32>| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let e: Vec<f64> = row.iter().map(|x| f64::from(x - top).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|x| x / sum).collect()
    };
    Ok(logits.to_dtype(DType::F32)?.to_vec2::<f32>()?.into_iter().map(softmax).collect())
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

/// The share of one image that is right where its class has probability `right` and `places`
/// guesses count: 1, 0, or the places that are left over the number of classes that tie for them,
/// as the original code counts.
fn credit(p: &[f64], right: f64, places: usize) -> f64 {
    if !right.is_finite() {
        return 0.0; // a label that the network does not tell apart
    }
    let above = p.iter().filter(|q| **q > right).count();
    let ties = p.iter().filter(|q| **q == right).count();
    (places.saturating_sub(above) as f64 / ties as f64).min(1.0)
}

/// Refuses weights, those of the file `path`, for other classes than the dataset's.
///
/// # Errors
///
/// [`Error::Classes`] or [`Error::ClassNames`], naming the first difference.
pub fn check_classes(path: &Path, weights: &Checkpoint, dataset: &Dataset) -> Result<(), Error> {
    let (checkpoint, data) = (path.to_owned(), dataset.dir().to_owned());
    let (weights, dataset) = (&weights.classes, class_names(dataset));
    if weights.len() != dataset.len() {
        let (weights, dataset) = (weights.len(), dataset.len());
        return Err(Error::Classes { checkpoint, weights, data, dataset });
    }
    match weights.iter().cloned().zip(dataset).enumerate().find(|(_, (a, b))| a != b) {
        None => Ok(()),
        Some((index, (weights, dataset))) => {
            Err(Error::ClassNames { checkpoint, data, index, weights, dataset })
        }
    }
}

/// Refuses weights, those of the file `path`, whose training images became pixels otherwise than
/// those of the dataset.
///
/// # Errors
///
/// [`Error::Preprocessing`], naming the first difference.
pub fn check_preprocessing(
    path: &Path,
    weights: &Checkpoint,
    dataset: &Dataset,
) -> Result<(), Error> {
    match weights.preprocessing.difference(&dataset.manifest().preprocessing()) {
        None => Ok(()),
        Some([weights, found]) => Err(Error::Preprocessing {
            checkpoint: path.to_owned(),
            data: dataset.dir().to_owned(),
            weights,
            dataset: found,
        }),
    }
}

/// The names of a dataset's classes, in the order of their labels.
pub(crate) fn class_names(data: &Dataset) -> Vec<String> {
    data.manifest().classes.iter().map(|class| class.name.clone()).collect()
}
