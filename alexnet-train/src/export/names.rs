//! The names that PyTorch's programs have for the tensors of a network.

use alexnet_model::{LayerKind, LayerSpec, NetworkSpec};

use super::weights::Weights;
use crate::error::Error;

/// The modules of torchvision's `alexnet`, in the order of the layers with weights.
const TORCHVISION: [&str; 8] = [
    "features.0",
    "features.3",
    "features.6",
    "features.8",
    "features.10",
    "classifier.1",
    "classifier.4",
    "classifier.6",
];

/// Whether a network is torchvision's `alexnet`, whatever its number of classes and first weights.
pub(super) fn is_torchvision(network: &NetworkSpec) -> Result<bool, Error> {
    let theirs = NetworkSpec::preset("torchvision")?;
    let theirs = match network.classes() {
        Some(classes) => theirs.with_classes(classes),
        None => theirs,
    };
    let pairs = network.layers.iter().zip(&theirs.layers);
    let same = network.input == theirs.input && network.layers.len() == theirs.layers.len();
    Ok(same && pairs.into_iter().all(|(a, b)| computes(a) == computes(b)))
}

/// What a layer computes, whatever its name and its first weights.
fn computes(layer: &LayerSpec) -> LayerKind {
    let mut kind = layer.kind;
    if let LayerKind::Conv { init, .. }
    | LayerKind::Local { init, .. }
    | LayerKind::Linear { init, .. } = &mut kind
    {
        *init = alexnet_model::Init::Rule(alexnet_model::Rule::FanIn);
    }
    kind
}

/// The names of the weights' tensors in their order: torchvision's for its network, and for every
/// other those of our layers.
pub(super) fn names(weights: &Weights) -> Result<Vec<String>, Error> {
    if !is_torchvision(&weights.description.network)? {
        return Ok(weights.tensors.iter().map(|(name, _)| name.clone()).collect());
    }
    let parts = |module| ["weight", "bias"].map(|part| format!("{module}.{part}"));
    Ok(TORCHVISION.iter().flat_map(parts).collect())
}
