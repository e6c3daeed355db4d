//! The preprocessing of a picture as ONNX's operations: the centre crop, the mean, the scale.

use alexnet_data::Preprocessing;
use candle_core::Tensor;

use super::builder::{Builder, int};
use crate::export::weights::Weights;
use crate::input::subtracted_mean;
use crate::onnx::messages::Element;
use crate::recipe::Mean;

/// The name of the picture.
pub(super) const PICTURE: &str = "picture";

/// Adds the operations from a picture of whole bytes, `(B, 3, H, W)`, to the network's input.
pub(super) fn add(
    graph: &mut Builder,
    weights: &Weights,
    input: &str,
) -> candle_core::Result<String> {
    let [channels, h, w] = weights.description.network.input;
    let Preprocessing { height, width, .. } = weights.description.preprocessing;
    graph.input(PICTURE, Element::U8, &[channels, height, width], &about(weights));
    let [top, left] = [(height - h) / 2, (width - w) / 2];
    let part = |name: &str| format!("{PICTURE}/{name}");
    let mut crop = PICTURE.to_owned();
    if [height, width] != [h, w] {
        let mut list = |name: &str, values: [usize; 2]| graph.integers(&part(name), &values);
        let from = list("from", [top, left]);
        let to = list("to", [top + h, left + w]);
        let axes = list("axes", [2, 3]);
        crop = graph.node(&part("crop"), "Slice", &[PICTURE, &from, &to, &axes], Vec::new());
    }
    let to = int("to", Element::F32 as usize);
    let pixels = graph.node(&part("pixels"), "Cast", &[&crop], vec![to]);
    let (mean, dims) = mean(weights)?;
    let mean = graph.floats(&part("mean"), &dims, &mean);
    let scale = weights.description.recipe.input.scale;
    if scale == [1.0; 3] {
        return Ok(graph.node(input, "Sub", &[&pixels, &mean], Vec::new()));
    }
    let centred = graph.node(&part("centred"), "Sub", &[&pixels, &mean], Vec::new());
    let scale = graph.floats(&part("scale"), &[3, 1, 1], &scale);
    Ok(graph.node(input, "Mul", &[&centred, &scale], Vec::new()))
}

/// The mean that is subtracted of the centre crop, and its dimensions: `(3, h, w)` or `(3, 1, 1)`.
fn mean(weights: &Weights) -> candle_core::Result<(Vec<f32>, Vec<usize>)> {
    let [_, h, w] = weights.description.network.input;
    let mean = match weights.description.recipe.input.mean {
        Mean::Channel => {
            subtracted_mean(Mean::Channel, &weights.mean_image, [h, w])?.reshape((1, 1, 3))?
        }
        // Of the centre crop, the part that follows the crop is the middle.
        _ => subtracted_mean(Mean::CentreWindow, &weights.mean_image, [h, w])?,
    };
    let mean: Tensor = mean.permute((2, 0, 1))?; // (3, h, w)
    Ok((mean.flatten_all()?.to_vec1()?, mean.dims().to_vec()))
}

/// What the picture is, for people.
fn about(weights: &Weights) -> String {
    let Preprocessing { height, width, resample, .. } = weights.description.preprocessing;
    format!(
        "RGB of 0 to 255, {height} x {width} pixels, resized by the rule `{}`; crop, mean and \
         scale are in the graph",
        resample.name()
    )
}
