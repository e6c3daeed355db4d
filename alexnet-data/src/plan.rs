//! The order and the random draws of every epoch.

use crate::augment::check_crop;
use crate::draws::{Purpose, below, draws, shuffle};
use crate::{Augmentation, Batch, ColorScale, Error, Split, Statistics, View};
use rand_chacha::rand_core::RngCore;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// The order of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A fresh permutation each epoch, a function of seed and epoch.
    Shuffled,
    /// As stored, the same each epoch, as the original: shuffled once, when it was written.
    Stored,
}

/// What is in every batch of every epoch: a pure function of (seed, epoch, step).
///
/// Crop and flip are drawn per (seed, epoch, record) (per chunk of an epoch where
/// [`Augmentation::shared_by`] images share them), colour per (seed, epoch, record). So batches can
/// be filled in any order, by any number of threads, and come out the same to the byte.
#[derive(Debug)]
pub struct Plan {
    records: usize,
    batch: usize,
    order: Order,
    seed: u64,
    augmentation: Augmentation,
    /// The permutations of the last epochs asked for. Two, because loader threads that run ahead
    /// over the end of an epoch ask for the next one while others still fill the last.
    permutations: Mutex<Vec<(usize, Permutation)>>,
}

/// Four bytes an index: half the memory of usize, for up to 2³² records.
type Permutation = Arc<[u32]>;

impl Plan {
    /// A plan for `records` records in batches of `batch`.
    ///
    /// # Errors
    /// [`Error::Setting`] for no records or more than 2³² − 1, a batch of 0, `shared_by` of 0, an
    /// empty crop, or a sigma that is negative or not finite.
    pub fn new(
        records: usize,
        batch: usize,
        order: Order,
        seed: u64,
        augmentation: Augmentation,
    ) -> Result<Self, Error> {
        let check = |ok: bool, name, expected, got: &dyn ToString| {
            if ok { Ok(()) } else { Err(Error::Setting { name, expected, got: got.to_string() }) }
        };
        let fits = u32::try_from(records).is_ok();
        check(records > 0 && fits, "records", "1 to 4294967295", &records)?;
        check(batch > 0, "batch", "at least 1", &batch)?;
        check(augmentation.shared_by > 0, "shared_by", "at least 1", &0)?;
        let [height, width] = augmentation.crop;
        check(height > 0, "crop height", "at least 1", &height)?;
        check(width > 0, "crop width", "at least 1", &width)?;
        if let Some(color) = augmentation.color {
            let ok = color.sigma.is_finite() && color.sigma >= 0.0;
            check(ok, "sigma", "a number that is not negative", &color.sigma)?;
        }
        let permutations = Mutex::default();
        Ok(Self { records, batch, order, seed, augmentation, permutations })
    }

    /// Steps in an epoch; the last batch may be smaller.
    pub fn steps_per_epoch(&self) -> usize {
        self.records.div_ceil(self.batch)
    }

    /// The augmentation it was made with.
    pub fn augmentation(&self) -> &Augmentation {
        &self.augmentation
    }

    /// Fills `batch` with the images of one step, augmented; `stats` are those of the train split.
    ///
    /// # Errors
    /// [`Error::PlanLength`] for a split of another length, [`Error::NoSuchStep`],
    /// [`Error::Crop`] where the crop is larger than the images, [`Error::DamagedRecord`],
    /// [`Error::BadRecord`].
    pub fn fill(
        &self,
        split: &Split,
        stats: &Statistics,
        epoch: usize,
        step: usize,
        batch: &mut Batch,
    ) -> Result<(), Error> {
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
            (self.view(stored, epoch, position, record), self.shift(stats, epoch, record))
        });
        batch.fill(split, self.augmentation.crop, views)
    }

    /// The crop and flip of one record, which is `position` in the epoch's order.
    fn view(&self, stored: [usize; 2], epoch: u64, position: usize, record: usize) -> View {
        let augmentation = &self.augmentation;
        // Alone, an image's draw is its own, wherever it stands; shared, it is the chunk's.
        let index = match augmentation.shared_by {
            1 => record,
            k => position / k,
        };
        let mut rng = draws(self.seed, epoch, Purpose::Geometry, index as u64);
        // Always three draws in this order: switching one off leaves the others as they are.
        let [top, left] = [0, 1].map(|axis| {
            let count = augmentation.offsets.count(stored[axis], augmentation.crop[axis]);
            below(&mut rng, count) as usize
        });
        let flip = rng.next_u64() >> 63 == 1 && augmentation.flip;
        View { record, top, left, flip }
    }

    /// The colour shift of one record, in units of 0–255.
    fn shift(&self, stats: &Statistics, epoch: u64, record: usize) -> [f32; 3] {
        let Some(color) = self.augmentation.color else { return [0.0; 3] };
        let mut rng = draws(self.seed, epoch, Purpose::Color, record as u64);
        let mut shift = [0.0f64; 3];
        for (&value, vector) in stats.eigenvalues.iter().zip(&stats.eigenvectors) {
            // Rounding may leave a zero eigenvalue a little below zero.
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
        // Held while a permutation is made, so that it is made once. A poisoned lock is harmless:
        // the list is changed by single pushes and removals of whole entries.
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
