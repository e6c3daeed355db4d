//! What the layers of a network make of images: the outputs of a layer for a whole split, for some
//! records, or for one image as maps.

use alexnet_data::{Batch, Pixels, Split, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::{LayerKind, Network, NetworkSpec};
use candle_core::{DType, Tensor};

use crate::device_batches::DeviceBatches;
use crate::error::Error;
use crate::input::InputStage;
use crate::prefetch::prefetch;
use crate::records::centre_crops;

/// Images in a forward pass.
const BATCH: usize = 128;

/// The name of a network's last hidden layer, whose outputs are what it knows of an image: of
/// `original` `relu7`, with 4,096 outputs. `None` where the last layer reads the image itself.
///
/// ```
/// use alexnet_model::NetworkSpec;
///
/// let network = NetworkSpec::preset("original")?;
/// assert_eq!(alexnet_train::last_hidden_layer(&network), Some("relu7"));
/// # Ok::<(), alexnet_model::SpecError>(())
/// ```
pub fn last_hidden_layer(network: &NetworkSpec) -> Option<&str> {
    let (_, hidden) = network.layers.split_last()?;
    // In evaluation a dropout gives the same, or the same times a constant.
    let is_dropout = |kind: &LayerKind| matches!(kind, LayerKind::Dropout { .. });
    hidden.iter().rev().find(|layer| !is_dropout(&layer.kind)).map(|layer| layer.name.as_str())
}

/// The outputs of `layer`, one row for each record, for the centre view of every record of a split,
/// in order. `each` is given them in blocks of up to 128 rows, and nothing else is kept.
///
/// # Errors
///
/// A layer that the network does not have; a record that cannot be read; images smaller than the
/// network's crops; whatever `each` refuses.
pub fn split_features(
    network: &Network,
    inputs: &[InputStage],
    split: &Split,
    layer: &str,
    loader_threads: usize,
    each: &mut dyn FnMut(Vec<Vec<f32>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let [_, h, w] = network.spec().input;
    let view = test_views([split.height(), split.width()], [h, w], Views::One)?[0];
    let jobs = split.len().div_ceil(BATCH) as u64;
    let fill = |job: u64, batch: &mut Batch| {
        let first = job as usize * BATCH;
        let records = first..(first + BATCH).min(split.len());
        Ok(batch.fill_views(split, records, [h, w], view)?)
    };
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    prefetch(loader_threads, 0..jobs, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, inputs)?;
        for _ in 0..jobs {
            let (batch, _) = batches.next()?;
            let images = batches.images(&batch, 1.0)?; // (B, 3, h, w) on each device
            let rows = rows(&network.activations(&images[..], layer)?)?;
            drop(images);
            batches.release(batch)?;
            each(rows)?;
        }
        Ok(())
    })
}

/// The outputs of `layer`, one row for each of `records`, for their centre views.
///
/// # Errors
///
/// As [`split_features`].
pub fn record_features(
    network: &Network,
    inputs: &[InputStage],
    split: &Split,
    layer: &str,
    records: &[usize],
) -> Result<Vec<Vec<f32>>, Error> {
    let mut all = Vec::with_capacity(records.len());
    for part in records.chunks(BATCH) {
        let images = centre_crops(network, inputs, split, part)?;
        all.extend(rows(&network.activations(&images[..], layer)?)?);
    }
    Ok(all)
}

/// The outputs of a layer for one image, by channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Maps {
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
    /// The values of each channel, row by row.
    pub channels: Vec<Vec<f32>>,
}

/// The outputs of `layer` for the centre view of one decoded image; `None` where they are not maps.
///
/// # Errors
///
/// A layer that the network does not have; an image smaller than the network's crops.
pub fn activation_maps(
    network: &Network,
    input: &InputStage,
    image: &Pixels,
    layer: &str,
) -> Result<Option<Maps>, Error> {
    let [_, h, w] = network.spec().input;
    let view = test_views([image.height, image.width], [h, w], Views::One)?;
    let mut batch = Batch::new();
    batch.fill_image(image, [h, w], &view)?;
    let images = input.run(&batch, 1.0)?; // (1, 3, h, w)
    let outputs = network.activations(&images, layer)?;
    let [1, channels, height, width] = outputs.dims()[..] else { return Ok(None) };
    let maps = outputs.reshape((channels, height * width))?;
    Ok(Some(Maps { height, width, channels: rows(&maps)? }))
}

/// The outputs of each image as one row.
fn rows(outputs: &Tensor) -> Result<Vec<Vec<f32>>, Error> {
    Ok(outputs.flatten_from(1)?.to_dtype(DType::F32)?.to_vec2()?)
}
