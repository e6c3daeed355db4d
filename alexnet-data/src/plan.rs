//! The order of the records in every epoch, and the random draws for their augmentation.

use crate::augment::{Augmentation, ColorScale, ResizedCrop, View, check_crop};
use crate::batch::Batch;
use crate::dataset::Split;
use crate::draws::{Purpose, below, draws, shuffle};
use crate::error::{Error, Result};
use crate::statistics::Statistics;
use rand_chacha::rand_core::RngCore;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// The order of the records in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A new permutation in each epoch, a function of seed and epoch.
    Shuffled,
    /// The stored order in each epoch, as in the authors' code; it was shuffled once, when the
    /// dataset was prepared.
    Stored,
}

/// Defines the batches of every epoch: each is a pure function of (seed, epoch, step).
///
/// Crop and flip are drawn for each (seed, epoch, record), or for each chunk of an epoch where
/// [`Augmentation::shared_by`] images share them; colour noise is drawn for each (seed, epoch,
/// record). So any number of threads may fill batches in any order and get the same bytes.
///
/// ```
/// # use alexnet_data::*;
/// # let temporary = tempfile::tempdir()?;
/// # let (images, dir) = (temporary.path().join("images"), temporary.path().join("dataset"));
/// # let demo = DemoOptions { image_size: 40, train_per_class: 2, val_per_class: 1, seed: 1 };
/// # draw_demo(&images, &demo, &|_| ())?;
/// # let new = PrepareOptions::new(Source::Folder, images, &dir);
/// # prepare(&PrepareOptions { size: 36, ..new }, &|_| ())?;
/// # let dataset = Dataset::open(&dir)?;
/// let (train, statistics) = (dataset.split("train")?, &dataset.manifest().statistics);
/// let augmentation = Augmentation {
///     crop: [32, 32],
///     offsets: Offsets::Inclusive, // 0 to 4, as the images have 36 × 36 pixels
///     resized: None,
///     flip: true,
///     shared_by: 1,
///     color: None,
/// };
/// let plan = Plan::new(train.len(), 8, Order::Shuffled, 2012, augmentation)?;
/// assert_eq!(plan.steps_per_epoch(), 3); // of 8, 8 and 4 images
/// let mut batch = Batch::new();
/// plan.fill(train, statistics, 0, 2, &mut batch)?;
/// assert_eq!((batch.len(), batch.pixels.len()), (4, 4 * 32 * 32 * 3));
/// assert!(batch.views.iter().all(|view| view.top <= 4 && view.left <= 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Plan {
    records: usize,
    batch: usize,
    order: Order,
    seed: u64,
    augmentation: Augmentation,
    /// The permutations of the last two epochs that were used. At the end of an epoch some loader
    /// threads already fill batches of the next one.
    permutations: Mutex<Vec<(usize, Permutation)>>,
}

/// Indices of four bytes, half of a usize, for up to 2³² records.
type Permutation = Arc<[u32]>;

impl Plan {
    /// A plan for epochs of `records` records in batches of `batch`.
    ///
    /// # Errors
    /// [`Error::Setting`] for no records or more than 2³² − 1, a batch of 0, `shared_by` of 0, an
    /// empty crop, a [`ResizedCrop`](crate::ResizedCrop) that is not valid, or a sigma that is
    /// negative or not finite.
    pub fn new(
        records: usize,
        batch: usize,
        order: Order,
        seed: u64,
        augmentation: Augmentation,
    ) -> Result<Self> {
        let check = Error::check;
        let fits = u32::try_from(records).is_ok();
        check(records > 0 && fits, "records", "1 to 4294967295", &records)?;
        check(batch > 0, "batch", "at least 1", &batch)?;
        check(augmentation.shared_by > 0, "shared_by", "at least 1", &0)?;
        let [height, width] = augmentation.crop;
        check(height > 0, "crop height", "at least 1", &height)?;
        check(width > 0, "crop width", "at least 1", &width)?;
        if let Some(resized) = augmentation.resized {
            let ResizedCrop { area, ratio } = resized;
            let got = format!("area {area:?}, ratio {ratio:?}");
            check(resized.is_valid(), "resized", "ranges above 0, of areas up to 1", &got)?;
        }
        if let Some(color) = augmentation.color {
            let ok = color.sigma.is_finite() && color.sigma >= 0.0;
            check(ok, "sigma", "a number that is not negative", &color.sigma)?;
        }
        let permutations = Mutex::default();
        Ok(Self { records, batch, order, seed, augmentation, permutations })
    }

    /// The number of batches in an epoch; the last one may be smaller.
    pub fn steps_per_epoch(&self) -> usize {
        self.records.div_ceil(self.batch)
    }

    /// Fills `batch` with the images of one step, augmented; `statistics` are those of the train
    /// split.
    ///
    /// # Errors
    /// [`Error::PlanLength`] for a split of another length, [`Error::NoSuchStep`],
    /// [`Error::Crop`] where the crop is larger than the images, [`Error::DamagedRecord`],
    /// [`Error::BadRecord`].
    pub fn fill(
        &self,
        split: &Split,
        statistics: &Statistics,
        epoch: usize,
        step: usize,
        batch: &mut Batch,
    ) -> Result<()> {
        if split.len() != self.records {
            let (split, planned, records) = (split.name().into(), self.records, split.len());
            return Err(Error::PlanLength { split, planned, records });
        }
        let steps = self.steps_per_epoch();
        if step >= steps {
            return Err(Error::NoSuchStep { step, steps });
        }
        let stored = [split.height(), split.width()];
        check_crop(stored, self.augmentation.crop, 0, 0)?;
        let permutation = self.permutation(epoch);
        let start = step * self.batch;
        let end = self.records.min(start.saturating_add(self.batch));
        let epoch = epoch as u64;
        let views = (start..end).map(|position| {
            let record = permutation.as_ref().map_or(position, |p| p[position] as usize);
            (self.view(stored, epoch, position, record), self.shift(statistics, epoch, record))
        });
        batch.fill(split, self.augmentation.crop, views)
    }

    /// The crop and flip of one record, which is at `position` in the order of the epoch.
    fn view(&self, stored: [usize; 2], epoch: u64, position: usize, record: usize) -> View {
        let augmentation = &self.augmentation;
        // The draw depends on the record, and not on its position, unless a chunk shares it.
        let index = match augmentation.shared_by {
            1 => record,
            k => position / k,
        };
        let mut rng = draws(self.seed, epoch, Purpose::Geometry, index as u64);
        // Three draws in this order even without `flip`, so that it does not change the offsets.
        let cut_out = |rng: &mut _| {
            [0, 1].map(|axis| {
                let (stored, crop) = (stored[axis], augmentation.crop[axis]);
                let offsets = augmentation.offsets;
                offsets.first(stored, crop) + below(rng, offsets.count(stored, crop)) as usize
            })
        };
        let ([top, left], resized_from) = match &augmentation.resized {
            None => (cut_out(&mut rng), None),
            Some(resized) => {
                let (place, part) = resized.draw(stored, &mut rng);
                (place, Some(part))
            }
        };
        let flip = rng.next_u64() >> 63 == 1 && augmentation.flip;
        View { record, top, left, resized_from, flip }
    }

    /// The colour shift of one record, in units of 0–255.
    fn shift(&self, statistics: &Statistics, epoch: u64, record: usize) -> [f32; 3] {
        let Some(color) = self.augmentation.color else { return [0.0; 3] };
        let mut rng = draws(self.seed, epoch, Purpose::Color, record as u64);
        let mut shift = [0.0f64; 3];
        for (&value, vector) in statistics.eigenvalues.iter().zip(&statistics.eigenvectors) {
            // Rounding may make an eigenvalue of zero slightly negative.
            let value = value.max(0.0);
            let scale = match color.scale {
                ColorScale::StandardDeviation => value.sqrt(),
                ColorScale::Eigenvalue => value / 255.0,
            };
            let z: f64 = StandardNormal.sample(&mut rng);
            shift.iter_mut().zip(vector).for_each(|(s, p)| *s += color.sigma * z * scale * p);
        }
        shift.map(|s| s as f32)
    }

    /// The epoch's permutation; `None` for the stored order.
    fn permutation(&self, epoch: usize) -> Option<Permutation> {
        if self.order == Order::Stored {
            return None;
        }
        // The lock is held while a permutation is made, so that only one thread makes it. A
        // poisoned lock is harmless, because each change of the list is one push or one removal.
        let mut cache = self.permutations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = cache.iter().find(|(e, _)| *e == epoch) {
            return Some(known.clone());
        }
        let mut order: Vec<u32> = (0..self.records as u32).collect();
        shuffle(&mut draws(self.seed, epoch as u64, Purpose::Order, 0), &mut order);
        let order = Permutation::from(order);
        if cache.len() == 2 {
            cache.remove(0);
        }
        cache.push((epoch, order.clone()));
        Some(order)
    }
}
