//! What a layer makes of one image, as maps.

use alexnet_data::{Batch, Pixels, Views, test_views};
use alexnet_model::Network;
use candle_core::DType;

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
    let [1, channels, height, width] = outputs.dims()[..] else { return Ok(None) };
    let maps = outputs.to_dtype(DType::F32)?.reshape((channels, height * width))?;
    Ok(Some(Maps { height, width, channels: maps.to_vec2()? }))
}
