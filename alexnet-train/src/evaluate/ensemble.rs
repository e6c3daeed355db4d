//! Several networks as one: their probabilities are averaged, image by image.

use std::ops::Range;

use alexnet_data::{Split, Views};
use rayon::prelude::*;

use super::pass::{BATCH, Member, average_views};
use super::saved::SavedProbabilities;
use super::score::{ImageScore, Tops};
use crate::error::Error;

/// Networks and saved probabilities, of which each network counts the same.
///
/// What it takes in memory does not grow with the images: all networks' weights, and the
/// probabilities of 128 images. Where too many networks would have to be in memory at once, the
/// probabilities of each can be saved, and the files combined.
#[derive(Debug, Default)]
pub struct Ensemble<'a> {
    /// The networks, all on the same devices.
    pub networks: Vec<Member<'a>>,
    /// Probabilities of the same images.
    pub saved: Vec<SavedProbabilities>,
}

/// What an ensemble says of B consecutive images.
#[derive(Debug)]
pub struct Predictions<'a> {
    /// The numbers of their records in the split.
    pub records: Range<usize>,
    /// Their classes, `(B)`.
    pub labels: &'a [u32],
    /// The probabilities by each member, networks before files: `(B, classes)`.
    pub members: &'a [Vec<f64>],
    /// The mean over all networks, `(B, classes)`.
    pub together: &'a [f64],
}

impl Predictions<'_> {
    /// The scores of all members together.
    pub fn scores(&self, tops: &Tops) -> Vec<ImageScore> {
        self.scores_of(self.together, tops)
    }

    /// The scores with the probabilities of one member.
    pub fn scores_of(&self, probabilities: &[f64], tops: &Tops) -> Vec<ImageScore> {
        let classes = (probabilities.len() / self.labels.len().max(1)).max(1);
        let rows = probabilities.par_chunks(classes).zip(self.labels).enumerate();
        let score = |(row, (probabilities, &label)): (usize, (&[f64], &u32))| {
            ImageScore::new(self.records.start + row, label, probabilities, tops)
        };
        rows.map(score).collect()
    }
}

impl Ensemble<'_> {
    /// Calls `each` with all images of a split, some at a time, in the order of their records.
    /// `views` are the networks'; files have theirs.
    ///
    /// # Errors
    ///
    /// A record that cannot be read; images smaller than a network's crops; [`Error::Outputs`] for
    /// a network that has diverged; a damaged file of probabilities, or one with another number of
    /// images; whatever `each` refuses.
    pub fn predict(
        &mut self,
        split: &Split,
        views: Views,
        loader_threads: usize,
        each: &mut dyn FnMut(&Predictions<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.networks.is_empty() {
            return self.combine(each);
        }
        let Self { networks, saved } = self;
        average_views(networks, split, views, loader_threads, &mut |records, members| {
            let labels = records.clone().map(|record| split.label(record));
            let labels = labels.collect::<Result<Vec<_>, _>>()?;
            together(records, &labels, members, saved, each)
        })
    }

    /// The same with files alone, which know their images' classes. Networks are left out.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    pub fn combine(
        &mut self,
        each: &mut dyn FnMut(&Predictions<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let labels = self.saved.first().map_or(Vec::new(), |file| file.labels().to_vec());
        for (number, labels) in labels.chunks(BATCH).enumerate() {
            let first = number * BATCH;
            let records = first..first + labels.len();
            together(records, labels, Vec::new(), &mut self.saved, each)?;
        }
        Ok(())
    }
}

/// Adds the next rows of the files to those of the networks, and averages.
fn together(
    records: Range<usize>,
    labels: &[u32],
    mut members: Vec<Vec<f64>>,
    saved: &mut [SavedProbabilities],
    each: &mut dyn FnMut(&Predictions<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut networks = vec![1.0; members.len()]; // in each member
    for file in saved {
        networks.push(file.info().members.len() as f64);
        members.push(file.read(records.len())?);
    }
    let all: f64 = networks.iter().sum();
    let mut mean = vec![0.0; members.first().map_or(0, Vec::len)];
    for (probabilities, networks) in members.iter().zip(networks) {
        mean.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += networks * p);
    }
    mean.iter_mut().for_each(|sum| *sum /= all);
    each(&Predictions { records, labels, members: &members, together: &mean })
}
