//! What a layer makes of one image, as maps.

use alexnet_data::{Batch, Pixels, View, Views, test_views};
use alexnet_model::Network;
use candle_core::{DType, Tensor};

use crate::error::Error;
use crate::input::InputStage;

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
    if outputs.rank() != 4 {
        return Ok(None);
    }
    Ok(maps(&outputs)?.pop())
}

/// What a network sees of each of `views` of one decoded image: its input, red, green and blue,
/// with the mean subtracted and scaled.
///
/// # Errors
///
/// A view that does not lie inside the image.
pub fn input_maps(
    network: &Network,
    input: &InputStage,
    image: &Pixels,
    views: &[View],
) -> Result<Vec<Maps>, Error> {
    let [_, h, w] = network.spec().input;
    let mut batch = Batch::new();
    batch.fill_image(image, [h, w], views)?;
    maps(&input.run(&batch, 1.0)?)
}

/// The maps of each image of a batch, `(B, C, H, W)`.
fn maps(batch: &Tensor) -> Result<Vec<Maps>, Error> {
    let (_, _, height, width) = batch.dims4()?;
    let images = batch.to_dtype(DType::F32)?.flatten_from(2)?.to_vec3()?;
    Ok(images.into_iter().map(|channels| Maps { height, width, channels }).collect())
}
