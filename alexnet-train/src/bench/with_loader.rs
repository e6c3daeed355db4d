//! The training step with the loader running: images come from the page cache through the loader's
//! threads to the device, as in a training.

use alexnet_data::Batch;

use super::loader::DrawnDataset;
use super::timing::{mean_seconds, median};
use super::trainer::Trainer;
use crate::device_batches::DeviceBatches;
use crate::error::Error;
use crate::input::InputStage;
use crate::prefetch::prefetch;
use crate::recipe::{InputRecipe, Mean};

/// How many steps of a GPU are timed together, as many as the losses that a training reads
/// together.
const TOGETHER: usize = 20;

/// Images per second, the median of `count` timings.
pub(super) fn images_per_second(
    trainer: &Trainer,
    threads: usize,
    count: usize,
) -> Result<f64, Error> {
    let [_, h, w] = trainer.network.spec().input;
    let batch = trainer.images[0].dim(0)?;
    // An epoch is at least two steps, so that the loader does not fill the same batch for ever.
    let drawn = DrawnDataset::new([h, w], (2 * batch).div_ceil(10))?;
    let (train, statistics) = (drawn.data.split("train")?, &drawn.data.manifest().statistics);
    let (plan, steps) = (drawn.plan(batch)?, train.len() / batch); // whole batches only
    let recipe = InputRecipe { mean: Mean::CentreWindow, scale: [1.0; 3] };
    let size = [train.height(), train.width()];
    let input = |compute| InputStage::new(&recipe, &statistics.mean_image, size, [h, w], compute);
    let inputs = trainer.devices.iter().map(input).collect::<candle_core::Result<Vec<_>>>()?;

    let fill = |job: u64, batch: &mut Batch| {
        let (epoch, step) = (job as usize / steps, job as usize % steps);
        Ok(plan.fill(train, statistics, epoch, step, batch)?)
    };
    // In the first epoch every record's checksum is compared, and in the first steps queues fill.
    let together = if trainer.devices[0].is_async() { TOGETHER } else { 1 };
    let untimed = steps + together;
    let jobs = 0..(untimed + count * together) as u64;
    prefetch(threads, jobs, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, &inputs)?;
        let mut time = |steps: usize| {
            let mut number = 0;
            mean_seconds(&trainer.devices, steps, || {
                let batch = batches.next()?;
                let images = batches.images(&batch, 1.0)?;
                trainer.step(&images, &batch[0].labels, number)?;
                number += 1;
                drop(images);
                batches.release(batch)
            })
        };
        time(untimed)?;
        let seconds = (0..count).map(|_| time(together)).collect::<Result<Vec<_>, _>>()?;
        Ok(batch as f64 / median(&seconds))
    })
}
