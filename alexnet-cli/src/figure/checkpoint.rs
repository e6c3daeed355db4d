//! `--checkpoint FILE|RUN` and `--device`: whose network a figure shows.

use std::path::{Path, PathBuf};

use alexnet_data::Dataset;
use alexnet_model::Network;
use alexnet_train::{
    Checkpoint, ComputeDevice, InputStage, RunFolder, check_classes, check_preprocessing,
};
use anyhow::{Context, Result};

use crate::device::DeviceArguments;
use crate::file::check_regular;

/// Whose network a figure shows
#[derive(Debug, clap::Args)]
pub(crate) struct CheckpointArguments {
    /// A checkpoint, or the folder of a run: then its final weights, or the latest it has
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    #[command(flatten)]
    device: DeviceArguments,
}

/// A network that is ready to look at images.
pub(crate) struct Loaded {
    pub(crate) file: PathBuf,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) network: Network,
    /// For the device of each of its towers.
    pub(crate) inputs: Vec<InputStage>,
}

impl CheckpointArguments {
    /// Reads the checkpoint, and puts its network on the devices.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let devices = self.device.open_all()?;
        Loaded::new(checkpoint_file(&self.checkpoint)?, &devices)
    }
}

impl Loaded {
    pub(crate) fn new(file: PathBuf, devices: &[ComputeDevice]) -> Result<Self> {
        check_regular(&file)?;
        let checkpoint = Checkpoint::load(&file)?;
        let network = checkpoint.network_on(devices)?;
        let inputs = devices.iter().map(|device| checkpoint.input(&file, device));
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Self { file, checkpoint, network, inputs })
    }

    /// The dataset in `dir`, which has to have the classes and the preprocessing of the network.
    pub(crate) fn dataset(&self, dir: &Path) -> Result<Dataset> {
        let data = Dataset::open(dir)?;
        check_classes(&self.file, &self.checkpoint, &data)?;
        check_preprocessing(&self.file, &self.checkpoint, &data)?;
        Ok(data)
    }
}

/// The file of a checkpoint, or the best that the folder of a run has.
pub(crate) fn checkpoint_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let run = RunFolder::new(path);
    let found = [run.weights(), run.checkpoint()].into_iter().find(|file| file.exists());
    found.with_context(|| {
        format!(
            "{} has no final.safetensors and no checkpoint.safetensors: expected the folder of a \
             run, or a checkpoint",
            path.display()
        )
    })
}
