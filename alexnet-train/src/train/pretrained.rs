//! Fine-tuning: a run whose first weights are, in some layers, those of a checkpoint.

use std::path::{Path, PathBuf};

use alexnet_data::Preprocessing;
use alexnet_model::{Network, NetworkSpec};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::path_json;
use crate::recipe::Recipe;

/// A checkpoint with whose layers a run is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pretrained {
    /// The checkpoint, or the final weights of a run.
    pub checkpoint: PathBuf,
    /// The layers that are taken from it; `None` for all whose weights have the same shape there.
    pub layers: Option<Vec<String>>,
}

/// With which layers of a checkpoint a run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainedLayers {
    /// The checkpoint.
    #[serde(with = "path_json")]
    pub checkpoint: PathBuf,
    /// The checksum of its header, which has the checksums of all its tensors.
    pub checksum: String,
    /// The layers whose weights and biases were taken from it.
    pub layers: Vec<String>,
    /// The layers whose weights and biases were drawn.
    pub drawn: Vec<String>,
    /// What made the checkpoint's images another input than the run's are.
    pub differences: Vec<String>,
}

impl Pretrained {
    /// Which layers a run of `network` and `recipe` takes. Those that are named have to agree.
    pub(crate) fn plan(
        &self,
        network: &NetworkSpec,
        recipe: &Recipe,
        preprocessing: &Preprocessing,
    ) -> Result<PretrainedLayers, Error> {
        let path = std::path::absolute(&self.checkpoint).map_err(Error::io(&self.checkpoint))?;
        let fail = |reason: String| Error::Checkpoint { path: self.checkpoint.clone(), reason };
        for name in self.layers.iter().flatten() {
            network.select(name)?; // refuses what it does not have
        }
        let checkpoint = Checkpoint::load(&self.checkpoint)?;
        let (mut layers, mut drawn, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for layer in network.fused_layers()? {
            let Some(shape) = &layer.weight else { continue };
            let named = self.layers.as_ref().map(|layers| layers.contains(&layer.name));
            match difference(&checkpoint, &network.name, &layer.name, shape) {
                None if named.unwrap_or(true) => layers.push(layer.name),
                Some(difference) if named == Some(true) => {
                    let advice = "leave it out of --layers, or train a network that agrees with it";
                    return Err(fail(format!("{difference}; {advice}")));
                }
                difference => {
                    reasons.extend(difference);
                    drawn.push(layer.name);
                }
            }
        }
        if layers.is_empty() {
            let reason = reasons.into_iter().next().unwrap_or_default();
            return Err(fail(format!("no layer of it can be taken: {reason}")));
        }
        let differences = differences(&checkpoint, recipe, preprocessing);
        let checksum = checkpoint.checksum;
        Ok(PretrainedLayers { checkpoint: path, checksum, layers, drawn, differences })
    }
}

/// How a layer of the checkpoint disagrees with that of a network, whose weights have this shape.
fn difference(
    checkpoint: &Checkpoint,
    network: &str,
    layer: &str,
    shape: &[usize],
) -> Option<String> {
    let there = checkpoint.parameters(layer);
    let [weight, bias] = there.each_ref().map(|tensor| tensor.map(Tensor::dims));
    match (weight, bias) {
        (Some(weight), Some(bias)) if weight == shape && bias == &shape[..1] => None,
        (Some(weight), Some(_)) => Some(format!(
            "layer `{layer}` has weights {weight:?} there, but {shape:?} in network `{network}`"
        )),
        _ => Some(format!("it has no layer `{layer}`, as network `{network}` has")),
    }
}

/// What makes the images of a run another input than those of the checkpoint were: pixels of
/// another range, or other pixels.
fn differences(
    checkpoint: &Checkpoint,
    recipe: &Recipe,
    preprocessing: &Preprocessing,
) -> Vec<String> {
    let (there, here) = (checkpoint.recipe.input.scale, recipe.input.scale);
    let scale = (there != here)
        .then(|| format!("its pixels were multiplied by {there:?}, those of this run by {here:?}"));
    let prepared = checkpoint.preprocessing.difference(preprocessing).map(|[there, here]| {
        format!("its images were prepared with {there}, those of this run with {here}")
    });
    scale.into_iter().chain(prepared).collect()
}

/// The network as a run begins: drawn from `seed`, in part perhaps that of a checkpoint.
pub(crate) fn first_network(
    network: &NetworkSpec,
    seed: u64,
    pretrained: Option<&PretrainedLayers>,
) -> Result<Network, Error> {
    let drawn = Network::new(network, seed, &Device::Cpu)?;
    pretrained.map_or(Ok(drawn.clone()), |pretrained| pretrained.put_into(&drawn))
}

impl PretrainedLayers {
    /// `network` with the weights of these layers.
    fn put_into(&self, network: &Network) -> Result<Network, Error> {
        let checkpoint = self.load(&self.checkpoint)?;
        let mut tensors = network.tensors()?;
        for layer in &self.layers {
            let names = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
            for (name, tensor) in names.into_iter().zip(checkpoint.parameters(layer)) {
                tensors.extend(tensor.map(|tensor| (name, tensor.clone())));
            }
        }
        Ok(Network::from_tensors(network.spec(), &tensors)?)
    }

    /// The checkpoint, which may have changed since the run was begun.
    fn load(&self, path: &Path) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::load(path)?;
        if checkpoint.checksum == self.checksum {
            return Ok(checkpoint);
        }
        let (found, expected) = (&checkpoint.checksum, &self.checksum);
        Err(Error::Checkpoint {
            path: path.to_owned(),
            reason: format!(
                "its checksum is {found}, but the run was begun with {expected}: put that file \
                 back, or start another run"
            ),
        })
    }
}
