//! The classes of one image.

use alexnet_data::{Batch, Pixels, Views, test_views};
use alexnet_model::{Mode, Network};

use crate::error::Error;
use crate::evaluate::probabilities::probabilities;
use crate::input::InputStage;

/// Views in a forward pass.
const VIEWS: usize = 128;

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
    let (mut batch, mut mean) = (Batch::new(), Vec::new());
    for some in list.chunks(VIEWS) {
        batch.fill_image(image, [h, w], some)?;
        let images = input.run(&batch, 1.0)?; // (views, 3, h, w)
        let rows = probabilities(&network.forward(&images, Mode::Test)?)?; // (views, classes)
        mean.resize(rows.first().map_or(0, Vec::len), 0.0);
        for row in &rows {
            mean.iter_mut().zip(row).for_each(|(m, p)| *m += p / list.len() as f64);
        }
    }
    if mean.iter().any(|p| !p.is_finite()) {
        return Err(Error::Outputs);
    }
    Ok(mean)
}
