//! The training step with the loader running: stored images come from the page cache through the loader's threads and
//! the way to the device, as in a training.

use std::time::Instant;

use alexnet_data::{Augmentation, Batch, Dataset, Offsets, Order, Plan};
use alexnet_kernels::ComputeDevice;

use super::loader::{Temporary, draw};
use super::{Trainer, median};
use crate::feed::Feed;
use crate::prefetch::prefetch;
use crate::{Error, InputRecipe, InputStage, Mean};

/// Steps of a card between two looks at the clock, as many as between two looks at its losses in a training.
const TOGETHER: usize = 20;

/// Images a second, the median of `count` looks at the clock.
pub(super) fn images_per_second(
    trainer: &Trainer,
    threads: usize,
    count: usize,
) -> Result<f64, Error> {
    let [_, h, w] = trainer.network.spec().input;
    let batch = trainer.images[0].dim(0)?;
    let folder = Temporary::new()?;
    // An epoch is two steps at least, so that the loader works in front of the step and not on one batch for ever.
    let stored = draw(&folder, [h, w], (2 * batch).div_ceil(10))?;
    let data = Dataset::open(&stored)?;
    let (train, statistics) = (data.split("train")?, &data.manifest().statistics);
    let augmentation = Augmentation {
        crop: [h, w],
        offsets: Offsets::Inclusive,
        flip: true,
        shared_by: 1,
        color: None,
    };
    let plan = Plan::new(train.len(), batch, Order::Shuffled, 1, augmentation)?;
    let steps = train.len() / batch; // whole batches only
    let recipe = InputRecipe { mean: Mean::CentreWindow, scale: [1.0; 3] };
    let size = [train.height(), train.width()];
    let input = |compute| InputStage::new(&recipe, &statistics.mean_image, size, [h, w], compute);
    let inputs = trainer.devices.iter().map(input).collect::<candle_core::Result<Vec<_>>>()?;

    let fill = |job: u64, batch: &mut Batch| {
        let (epoch, step) = (job as usize / steps, job as usize % steps);
        Ok(plan.fill(train, statistics, epoch, step, batch)?)
    };
    // The first epoch checks every record, and the first steps fill the queues.
    let together = if trainer.devices[0].is_async() { TOGETHER } else { 1 };
    let untimed = steps + together;
    let jobs = 0..(untimed + count * together) as u64;
    prefetch(threads, jobs, fill, |batches| {
        let mut feed = Feed::new(batches, &inputs)?;
        let mut run = |steps: usize| {
            trainer.devices.iter().try_for_each(ComputeDevice::wait)?;
            let start = Instant::now();
            for number in 0..steps {
                let batch = feed.next()?;
                let images = batch.images(&inputs, 1.0)?;
                trainer.step_with(&images, batch.labels(), number as u64)?;
                drop(images);
                feed.done(batch)?;
            }
            trainer.devices.iter().try_for_each(ComputeDevice::wait)?;
            Ok::<_, Error>(start.elapsed().as_secs_f64() / steps as f64)
        };
        run(untimed)?;
        let seconds = (0..count).map(|_| run(together)).collect::<Result<Vec<_>, _>>()?;
        Ok(batch as f64 / median(&seconds))
    })
}
