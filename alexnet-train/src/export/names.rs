//! The names that PyTorch's programs have for the tensors of a network.

use alexnet_model::{Init, LayerKind, LayerSpec, NetworkSpec, Rule};

use super::weights::Weights;
use crate::error::Error;
use crate::import::family::{Family, Naming};

/// The family of torchvision's `alexnet`.
const TORCHVISION: &str = "torchvision";

/// Whether a network is torchvision's `alexnet`, whatever its number of classes and first weights,
/// and called so.
pub(super) fn is_torchvision(network: &NetworkSpec) -> Result<bool, Error> {
    let Some(family) = Family::named(TORCHVISION) else { return Ok(false) };
    let theirs = family.network()?;
    let theirs = match network.classes() {
        Some(classes) => theirs.with_classes(classes),
        None => theirs,
    };
    let same = network.name == theirs.name && network.input == theirs.input;
    let same = same && network.layers.len() == theirs.layers.len();
    let mut pairs = network.layers.iter().zip(&theirs.layers);
    Ok(same && pairs.all(|(a, b)| (&a.name, computes(a)) == (&b.name, computes(b))))
}

/// What a layer computes, whatever its first weights.
fn computes(layer: &LayerSpec) -> LayerKind {
    let mut kind = layer.kind;
    if let LayerKind::Conv { init, .. }
    | LayerKind::Local { init, .. }
    | LayerKind::Linear { init, .. } = &mut kind
    {
        *init = Init::Rule(Rule::FanIn);
    }
    kind
}

/// The names of the weights' tensors in their order: torchvision's for its network, and for every
/// other those of our layers.
pub(super) fn names(weights: &Weights) -> Result<Vec<String>, Error> {
    let network = &weights.description.network;
    let theirs = match is_torchvision(network)? {
        true => Family::named(TORCHVISION).and_then(|family| family.naming.into_iter().next()),
        false => None,
    };
    let naming = theirs.unwrap_or_else(Naming::ours);
    let layers = network.layers.iter().filter(|layer| layer.kind.has_parameters());
    Ok(layers.flat_map(|layer| naming.of(&layer.name)).collect())
}
