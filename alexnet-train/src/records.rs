//! Some records of a split through a network, in batches.

use alexnet_data::{Batch, Pixels, Split, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::{Mode, Network};
use candle_core::Tensor;

use crate::error::Error;
use crate::evaluate::probabilities::probabilities;
use crate::input::InputStage;

/// Records in a forward pass.
const BATCH: usize = 128;

/// The probability of each class for the centre view of each of `records`. `inputs` are for the
/// devices of the network's towers.
///
/// # Errors
///
/// A record that cannot be read; images smaller than the network's crops; [`Error::Outputs`] for a
/// network that has diverged.
pub fn predict_records(
    network: &Network,
    inputs: &[InputStage],
    split: &Split,
    records: &[usize],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f64>>, Error> {
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    let mut all = Vec::with_capacity(records.len());
    for part in records.chunks(BATCH) {
        let images = centre_crops(network, inputs, split, part)?;
        let rows = probabilities(&network.forward(&images[..], Mode::Test)?)?;
        if rows.iter().flatten().any(|p| !p.is_finite()) {
            return Err(Error::Outputs);
        }
        all.extend(rows);
        progress(all.len());
    }
    Ok(all)
}

/// The network's input `(B, 3, h, w)` on each device: the centre crops of records.
pub(crate) fn centre_crops(
    network: &Network,
    inputs: &[InputStage],
    split: &Split,
    records: &[usize],
) -> Result<Vec<Tensor>, Error> {
    let [_, h, w] = network.spec().input;
    let views = test_views([split.height(), split.width()], [h, w], Views::One)?;
    let (mut batch, mut one) = (Batch::new(), Batch::new());
    (batch.height, batch.width) = (h, w);
    for &record in records {
        let stored = split.record(record)?;
        let pixels = Pixels::new(split.height(), split.width(), stored.pixels.into_owned());
        one.fill_image(&pixels, [h, w], &views)?;
        batch.pixels.extend_from_slice(&one.pixels);
        batch.color_shift.extend_from_slice(&one.color_shift);
        batch.views.extend_from_slice(&one.views);
        batch.labels.push(stored.label);
    }
    Ok(inputs.iter().map(|input| input.run(&batch, 1.0)).collect::<candle_core::Result<_>>()?)
}
