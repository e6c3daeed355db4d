//! The classes of one image.

use alexnet_data::{Batch, Pixels, Views, test_views};
use alexnet_model::{Mode, Network};

use crate::error::Error;
use crate::evaluate::probabilities;
use crate::input::InputStage;

/// The probability of each class for one decoded image, averaged over its views.
///
/// # Errors
///
/// An image smaller than the network's crops; [`Error::Outputs`] for a network that has diverged.
pub fn classify(
    network: &Network,
    input: &InputStage,
    image: &Pixels,
    views: Views,
) -> Result<Vec<f64>, Error> {
    let [_, h, w] = network.spec().input;
    let list = test_views([image.height, image.width], [h, w], views)?;
    let mut batch = Batch::new();
    batch.fill_image(image, [h, w], &list)?;
    let images = input.run(&batch, 1.0)?; // (views, 3, h, w)
    let rows = probabilities(&network.forward(&images, Mode::Test)?)?; // (views, classes)
    let mut mean = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(m, p)| *m += p / rows.len() as f64);
    }
    if mean.iter().any(|p| !p.is_finite()) {
        return Err(Error::Outputs);
    }
    Ok(mean)
}
