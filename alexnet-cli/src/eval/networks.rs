//! The networks of several checkpoints, which are evaluated together.

use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, Split, Views};
use alexnet_model::Network;
use alexnet_train::{
    ComputeDevice, InputStage, Member, SavedMember, check_classes, check_preprocessing,
};
use anyhow::{Context, Result};

use crate::output::json_path;
use crate::weights;

/// Networks for the same classes, on the same devices.
#[derive(Default)]
pub(crate) struct Networks {
    all: Vec<Loaded>,
}

struct Loaded {
    path: PathBuf,
    network: Network,
    inputs: Vec<InputStage>, // one for each device
}

impl Loaded {
    fn member(&self) -> Member<'_> {
        Member { network: &self.network, inputs: &self.inputs }
    }
}

impl Networks {
    /// Loads weights for a dataset, each from a file or from the folder of a run. Weights for other
    /// classes, or for images that were prepared otherwise, are refused.
    pub(crate) fn load(
        paths: &[PathBuf],
        dataset: Option<(&Dataset, &Split)>,
        devices: &[ComputeDevice],
    ) -> Result<Self> {
        let Some((data, _)) = dataset else { return Ok(Self::default()) };
        let load = |path: &PathBuf| {
            let path = weights::file(path)?;
            let checkpoint = weights::load(&path)?;
            check_classes(&path, &checkpoint, data)?;
            check_preprocessing(&path, &checkpoint, data)?;
            let inputs = devices.iter().map(|device| checkpoint.input(&path, device));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let network = checkpoint.network_on(devices);
            let network = network.with_context(|| path.display().to_string())?;
            Ok(Loaded { path, network, inputs })
        };
        Ok(Self { all: paths.iter().map(load).collect::<Result<_>>()? })
    }

    /// The networks as members of an ensemble.
    pub(crate) fn members(&self) -> Vec<Member<'_>> {
        self.all.iter().map(Loaded::member).collect()
    }

    /// The file of each, and what a file of probabilities says of it.
    pub(super) fn described(
        &self,
        dataset: Option<(&Dataset, &Split)>,
        views: Views,
    ) -> Result<Vec<(&Path, SavedMember)>> {
        let Some((_, split)) = dataset else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for loaded in &self.all {
            let views = loaded.member().views(split, views);
            let views = views.with_context(|| loaded.path.display().to_string())?;
            let checkpoint = json_path(&loaded.path).into_owned();
            all.push((loaded.path.as_path(), SavedMember { checkpoint, views }));
        }
        Ok(all)
    }
}
