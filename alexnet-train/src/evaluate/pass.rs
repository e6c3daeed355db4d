//! A pass over a split: every view of every image through one network or several.
//!
//! The networks take turns with each batch of images, so that what is in memory does not grow with
//! the split: the networks' weights, and the probabilities of one batch.

use std::ops::Range;

use alexnet_data::{Batch, Split, View, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::{Mode, Network};

use super::probabilities::add_softmax;
use crate::devices::read_together;
use crate::error::Error;
use crate::input::InputStage;
use crate::train::device_batches::DeviceBatches;
use crate::train::prefetch::prefetch;

/// Images in a forward pass.
pub(super) const BATCH: usize = 128;

/// A network, and its input on the device of each of its towers.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The network.
    pub network: &'a Network,
    /// The inputs, one for each device.
    pub inputs: &'a [InputStage],
}

impl Member<'_> {
    /// Height and width of its crops.
    fn crop(&self) -> [usize; 2] {
        let [_, h, w] = self.network.spec().input;
        [h, w]
    }

    /// How many views of each image of a split it sees.
    ///
    /// # Errors
    ///
    /// Images smaller than the network's crops.
    pub fn views(&self, split: &Split, views: Views) -> Result<usize, Error> {
        Ok(test_views([split.height(), split.width()], self.crop(), views)?.len())
    }
}

/// One view of a batch for one network.
struct Turn<'a> {
    place: usize, // of the network in the list
    member: Member<'a>,
    view: View,
    views: usize, // of this network
}

/// Calls `each` with consecutive records, and for each of `members` the probabilities of their
/// classes, `(B, classes)`, averaged over the views.
pub(super) fn average_views(
    members: &[Member<'_>],
    split: &Split,
    views: Views,
    loader_threads: usize,
    each: &mut dyn FnMut(Range<usize>, Vec<Vec<f64>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut turns = Vec::new();
    for (place, &member) in members.iter().enumerate() {
        let list = test_views([split.height(), split.width()], member.crop(), views)?;
        let views = list.len();
        turns.extend(list.into_iter().map(|view| Turn { place, member, view, views }));
    }
    if turns.is_empty() {
        return Ok(());
    }
    let is_async = members.iter().flat_map(|m| m.inputs).any(|input| input.compute.is_async());
    let of_job = |job: u64| {
        let (first, turn) = (job as usize / turns.len() * BATCH, job as usize % turns.len());
        (first..(first + BATCH).min(split.len()), turn)
    };
    let jobs = (split.len().div_ceil(BATCH) * turns.len()) as u64;
    let fill = |job: u64, batch: &mut Batch| {
        let (records, turn) = of_job(job);
        batch.fill_views(split, records, turns[turn].member.crop(), turns[turn].view)?;
        if is_async {
            // For a last batch of another size a GPU would search for the fastest algorithms again.
            pad(batch, BATCH.min(split.len()));
        }
        Ok(())
    };
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    prefetch(loader_threads, 0..jobs, fill, |loaded| {
        let inputs = turns.iter().map(|turn| turn.member.inputs).collect();
        let mut batches = DeviceBatches::in_turns(loaded, inputs)?;
        let mut pending = Vec::new(); // logits (B, classes) that a GPU may still be working on
        let mut sums = vec![Vec::new(); members.len()];
        for job in 0..jobs {
            let (batch, _) = batches.next()?;
            let network = turns[of_job(job).1].member.network;
            let input = batches.images(&batch, 1.0)?; // (B, 3, h, w) on each device
            pending.push((job, network.forward(&input[..], Mode::Test)?));
            drop(input);
            batches.release(batch)?;
            if pending.len() < read_together(is_async) && job + 1 < jobs {
                continue;
            }
            for (job, logits) in pending.drain(..) {
                let (records, turn) = of_job(job);
                add_softmax(&logits, records.len(), &mut sums[turns[turn].place])?;
                if turn + 1 == turns.len() {
                    let means = std::mem::replace(&mut sums, vec![Vec::new(); members.len()]);
                    each(records, averaged(means, &turns))?;
                }
            }
        }
        Ok(())
    })
}

/// Divides the sums of each network by its number of views.
fn averaged(mut sums: Vec<Vec<f64>>, turns: &[Turn<'_>]) -> Vec<Vec<f64>> {
    let first_turns = turns.chunk_by(|a, b| a.place == b.place).map(|chunk| &chunk[0]);
    for (sums, turn) in sums.iter_mut().zip(first_turns) {
        sums.iter_mut().for_each(|sum| *sum /= turn.views as f64);
    }
    sums
}

/// Adds black images to a batch until it has `images`.
pub(crate) fn pad(batch: &mut Batch, images: usize) {
    batch.pixels.resize(images * batch.height * batch.width * 3, 0);
    batch.labels.resize(images, 0);
    batch.color_shift.resize(images, [0.0; 3]);
    if let Some(last) = batch.views.last().copied() {
        batch.views.resize(images, last);
    }
}
