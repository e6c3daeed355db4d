//! One tower of a network as layers: which outputs of each layer it computes, and what it reads for that.
//!
//! A tower computes its share of every layer's outputs. A layer whose outputs read one channel, or channels of one
//! tower, reads the tower's own share; a dense layer, or a convolution without groups, reads the whole, and the images
//! are on every tower's device. So activations cross where a layer's input is larger than what the tower's layer
//! before it puts out, and nowhere else.

use alexnet_kernels::Part;

use crate::{Layer, LayerKind, LayerSpec, Layers, NetworkSpec, Shape, Share, SpecError};

impl Layers {
    /// The layers of tower `number` of `spec`, from 0, where each tower is on a device of its own.
    ///
    /// # Errors
    ///
    /// [`SpecError::Layer`] for the first layer that cannot be, or does not divide among the towers.
    pub fn of_tower(spec: &NetworkSpec, number: usize) -> Result<Self, SpecError> {
        let whole = Self::new(spec)?;
        let mut layers: Vec<Layer> = Vec::new();
        for layer in whole.iter() {
            let fail = |reason| SpecError::Layer {
                network: spec.name.clone(),
                layer: layer.spec.name.clone(),
                reason: format!("{reason}, so it cannot be split over {} devices", spec.towers),
            };
            let share = share(layer.output, number, spec.towers).map_err(fail)?;
            let (kind, reads) = part(layer.spec.kind, share, spec.towers).map_err(fail)?;
            let input = match (reads, layers.last()) {
                (Reads::Whole, _) => layer.input,
                (Reads::Own, Some(before)) => before.output,
                (Reads::Own, None) => {
                    return Err(fail(
                        "it does not read the whole of an image, as a first layer does".to_owned(),
                    ));
                }
            };
            let output = match layer.output {
                Shape::Map(_, h, w) => Shape::Map(share.count, h, w),
                Shape::Vector(_) => Shape::Vector(share.count),
            };
            let weight = layer.weight.clone().map(|mut dims| {
                dims[0] = share.count;
                dims
            });
            let spec = LayerSpec { name: layer.spec.name.clone(), kind };
            layers.push(Layer { share, ..Layer::new(spec, [input, output], weight) });
        }
        Ok(Self(layers))
    }

    /// Whether layer number `layer` reads more than the layer before it puts out: what the other towers did.
    pub fn crosses(&self, layer: usize) -> bool {
        let before = layer.checked_sub(1).and_then(|before| self.0.get(before));
        before.zip(self.0.get(layer)).is_some_and(|(before, layer)| before.output != layer.input)
    }

    /// The names of the layers that [`crosses`](Self::crosses) is true of.
    pub fn crossings(&self) -> Vec<&str> {
        let numbered = self.iter().enumerate().filter(|(number, _)| self.crosses(*number));
        numbered.map(|(_, layer)| layer.spec.name.as_str()).collect()
    }
}

/// What of the layer before it a tower's part of a layer reads.
enum Reads {
    Own,
    Whole,
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

/// One tower's part of a layer.
fn part(kind: LayerKind, share: Share, towers: usize) -> Result<(LayerKind, Reads), String> {
    Ok(match kind {
        LayerKind::Conv { kernel, stride, pad, groups, init, .. } => {
            let filters = share.count;
            let of = |groups| LayerKind::Conv { filters, kernel, stride, pad, groups, init };
            match groups {
                1 => (of(1), Reads::Whole),
                _ if groups.is_multiple_of(towers) => (of(groups / towers), Reads::Own),
                _ => return Err(format!("its {groups} groups lie in several towers")),
            }
        }
        LayerKind::Linear { init, .. } => {
            (LayerKind::Linear { outputs: share.count, init }, Reads::Whole)
        }
        LayerKind::Lrn { towers: blocks, .. } if !blocks.is_multiple_of(towers) => {
            return Err(format!("its windows cross the edges of towers (towers = {blocks})"));
        }
        LayerKind::Lrn { n, alpha, beta, k, towers: blocks, alpha_over_n } => (
            LayerKind::Lrn { n, alpha, beta, k, towers: blocks / towers, alpha_over_n },
            Reads::Own,
        ),
        LayerKind::Relu
        | LayerKind::MapNorm { .. }
        | LayerKind::MaxPool { .. }
        | LayerKind::Dropout { .. } => (kind, Reads::Own),
    })
}

impl Layer {
    /// Where its outputs for one image lie among all towers'.
    pub(crate) fn part(&self) -> Part {
        let each = self.output.len() / self.share.count;
        Part { first: self.share.first * each, whole: self.share.whole * each }
    }
}
