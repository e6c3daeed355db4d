//! `--init`, `--layers` and `--freeze`: a run that begins with what another one learned.

use std::path::PathBuf;

use alexnet_model::NetworkSpec;
use alexnet_train::{Pretrained, PretrainedLayers, Recipe};
use anyhow::Result;

use crate::weights;

/// A run that begins with what another one learned
#[derive(Debug, clap::Args)]
pub(super) struct FineTuningArguments {
    /// Begin with the layers of a checkpoint: the folder of a run, or its final.safetensors or
    /// checkpoint.safetensors. The other layers are drawn from the seed
    #[arg(long, value_name = "RUN|FILE")]
    pub(super) init: Option<PathBuf>,
    /// The layers that --init takes: names and ranges, as conv1..conv5,fc6, or all [default: those
    /// whose weights have the same shape there]
    #[arg(long, value_name = "LAYERS", requires = "init")]
    layers: Option<String>,
    /// Layers that are not trained, named as for --layers: their rates are 0. Where they are the
    /// first of the network, no backward pass reaches them
    #[arg(long, value_name = "LAYERS")]
    pub(super) freeze: Option<String>,
}

impl FineTuningArguments {
    /// The checkpoint with whose layers the run begins. Layers that are to be frozen have rates of
    /// 0 in `recipe` from now on.
    pub(super) fn apply(
        &self,
        network: &NetworkSpec,
        recipe: &mut Recipe,
    ) -> Result<Option<Pretrained>> {
        if let Some(frozen) = &self.freeze {
            recipe.freeze(&network.select(frozen)?);
        }
        let Some(path) = &self.init else { return Ok(None) };
        let checkpoint = weights::file(path)?;
        let layers = self.layers.as_ref().map(|layers| network.select(layers)).transpose()?;
        let layers = layers.map(|layers| layers.into_iter().map(str::to_owned).collect());
        Ok(Some(Pretrained { checkpoint, layers }))
    }
}

/// What a run begins with, in lines.
pub(super) fn lines(began: &PretrainedLayers) -> Vec<String> {
    let drawn = match began.drawn.join(", ") {
        drawn if drawn.is_empty() => String::new(),
        drawn => format!("; {drawn} drawn anew"),
    };
    let (from, layers) = (began.checkpoint.display(), began.layers.join(", "));
    let mut lines = vec![format!("{layers} from {from}{drawn}")];
    lines.extend(
        began.differences.iter().map(|difference| format!("warning: {from}: {difference}")),
    );
    lines
}
