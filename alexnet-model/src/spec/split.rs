//! One tower of a network: which outputs of each layer it computes, and what it reads for that.
//!
//! A tower computes its share of every layer's outputs. A layer whose outputs read one channel, or
//! channels of one tower, reads what the tower itself computed. A dense layer, or a convolution
//! without groups, reads all channels: those of the other towers are gathered before it. The images
//! are on every tower's device.

use super::error::SpecError;
use super::shapes::{Shape, ShapedLayer, Share};
use super::{LayerKind, NetworkSpec};

impl NetworkSpec {
    /// The layers of tower `number`, from 0, where each tower is on a device of its own; an error
    /// for the first layer that cannot be, or does not divide among the towers.
    pub(crate) fn tower(&self, number: usize) -> Result<Vec<ShapedLayer>, SpecError> {
        let mut layers: Vec<ShapedLayer> = Vec::new();
        for (whole, spec) in self.shapes()?.into_iter().zip(&self.layers) {
            let part = part(&whole, number, self.towers, layers.last()).map_err(|reason| {
                let reason =
                    format!("{reason}, so it cannot be split over {} devices", self.towers);
                self.wrong(&spec.name, reason)
            })?;
            layers.push(part);
        }
        Ok(layers)
    }
}

/// What a tower's part of a layer reads of the previous layer's outputs.
enum Reads {
    Own,
    Whole,
}

/// The part of `layer` that tower `number` computes, after the tower's part of the previous layer.
fn part(
    layer: &ShapedLayer,
    number: usize,
    towers: usize,
    previous: Option<&ShapedLayer>,
) -> Result<ShapedLayer, String> {
    let share = share(layer.output, number, towers)?;
    let (kind, reads) = divided(layer.kind, share.count, towers)?;
    let input = match (reads, previous) {
        (Reads::Whole, _) => layer.input,
        (Reads::Own, Some(previous)) => previous.output,
        (Reads::Own, None) => {
            return Err("it does not read the whole of an image, as a first layer does".to_owned());
        }
    };
    Ok(ShapedLayer { share, ..ShapedLayer::new(kind, input)? })
}

/// The channels of `output` that tower `number` computes.
fn share(output: Shape, number: usize, towers: usize) -> Result<Share, String> {
    let whole = output.channels();
    if matches!(output, Shape::Map(..)) && !whole.is_multiple_of(towers) {
        return Err(format!("its {whole} channels do not divide into {towers} equal parts"));
    }
    let [first, end] = [number, number + 1].map(|n| n * whole / towers);
    if first == end {
        return Err(format!("it has {whole} output(s), not one for each tower"));
    }
    Ok(Share { first, count: end - first, whole })
}

/// One tower's part of a layer, with `count` of its outputs.
fn divided(mut kind: LayerKind, count: usize, towers: usize) -> Result<(LayerKind, Reads), String> {
    let mut reads = Reads::Own;
    match &mut kind {
        LayerKind::Conv { filters, groups, .. } => {
            *filters = count;
            match *groups {
                1 => reads = Reads::Whole,
                n if n.is_multiple_of(towers) => *groups = n / towers,
                n => return Err(format!("its {n} groups lie in several towers")),
            }
        }
        LayerKind::Local { .. } => {
            return Err("the weights of a local layer do not divide among towers".to_owned());
        }
        LayerKind::Linear { outputs, .. } => (*outputs, reads) = (count, Reads::Whole),
        LayerKind::Lrn { towers: blocks, .. } if blocks.is_multiple_of(towers) => *blocks /= towers,
        LayerKind::Lrn { towers: blocks, .. } => {
            return Err(format!("its windows cross the edges of towers (towers = {blocks})"));
        }
        _ => {} // the others read one channel for each that they compute
    }
    Ok((kind, reads))
}
