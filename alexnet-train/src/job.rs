//! A training job, and the run that it starts or resumes.

use std::path::PathBuf;
use std::time::Duration;

use alexnet_data::Dataset;
use alexnet_kernels::ComputeDevice;
use alexnet_model::NetworkSpec;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::memory;
use crate::recipe::Recipe;
use crate::run::{RunConfig, RunFolder};

/// A training job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The dataset's folder.
    pub data: PathBuf,
    /// The run's folder.
    pub run: RunFolder,
    /// Whether the run is started or resumed.
    pub task: Task,
    /// The number of threads that make batches. The result does not depend on it.
    pub loader_threads: usize,
    /// The longest time without a checkpoint within an epoch; each epoch ends with one anyhow.
    pub checkpoint_every: Duration,
    /// One device, or one for each tower of the network.
    pub devices: Vec<ComputeDevice>,
}

/// What to do in the run's folder.
#[derive(Debug, Clone)]
pub enum Task {
    /// Start a run.
    Start {
        /// Every number that is not in the network.
        recipe: Box<Recipe>,
        /// The network. It gets as many outputs as the dataset has classes.
        network: Box<NetworkSpec>,
        /// The seed of every random draw.
        seed: u64,
    },
    /// Resume the run that is there.
    Resume {
        /// Epochs of the whole run, where that changes.
        epochs: Option<usize>,
    },
}

impl Job {
    /// Checks the job, creates or updates the run's folder, and gives what the run is to do and the
    /// checkpoint to resume from. A job that is refused leaves no folder behind.
    pub(crate) fn set_up(&self, data: &Dataset) -> Result<(RunConfig, Option<Checkpoint>), Error> {
        let (config, resumed) = match &self.task {
            Task::Start { recipe, network, seed } => {
                let config = RunConfig {
                    // Absolute, so that the run can be resumed from another folder.
                    data: std::path::absolute(&self.data).map_err(Error::io(&self.data))?,
                    data_checksum: data_checksum(data)?,
                    seed: *seed,
                    recipe: recipe.as_ref().clone(),
                    network: network.as_ref().clone().with_classes(data.manifest().classes.len()),
                };
                (config, None)
            }
            Task::Resume { epochs } => self.resume(data, *epochs)?,
        };
        let RunConfig { recipe, network, .. } = &config;
        recipe.check_layers(network)?;
        let towers = network.fused_layers_on(self.devices.len())?;
        let ([_, h, w], stored) = (network.input, [data.manifest().height, data.manifest().width]);
        if h > stored[0] || w > stored[1] {
            let (network, crop) = (network.name.clone(), [h, w]);
            let fitting = NetworkSpec::preset_for(stored[0].min(stored[1])).ok();
            let fitting =
                fitting.map(|name| format!("take --preset {name}, which suits them, or "));
            let advice = "prepare the dataset again with a larger --size";
            let advice = fitting.unwrap_or_default() + advice;
            let data = self.data.clone();
            return Err(Error::ImagesTooSmall { network, crop, data, stored, advice });
        }
        memory::check(&towers, recipe.batch, &self.devices)?;
        match self.task {
            Task::Start { .. } => self.run.create(&config)?,
            Task::Resume { .. } => self.run.update(&config)?,
        }
        Ok((config, resumed))
    }

    fn resume(
        &self,
        data: &Dataset,
        epochs: Option<usize>,
    ) -> Result<(RunConfig, Option<Checkpoint>), Error> {
        let mut config = self.run.config()?;
        config.recipe.epochs = epochs.unwrap_or(config.recipe.epochs);
        let run = self.run.path();
        if config.data_checksum != data_checksum(data)? {
            return Err(Error::OtherDataset { run: run.to_owned(), data: self.data.clone() });
        }
        // A run that ended before its first checkpoint begins again.
        let path = self.run.checkpoint();
        let checkpoint = path.exists().then(|| Checkpoint::load(&path)).transpose()?;
        let done = checkpoint.as_ref().and_then(|c| c.progress).map_or(0, |p| p.epoch);
        if done > config.recipe.epochs {
            let message = format!("epochs = {}, but {done} are done already", config.recipe.epochs);
            return Err(Error::Recipe { origin: run.display().to_string(), message });
        }
        Ok((config, checkpoint))
    }
}

/// The CRC-32 of a dataset's manifest, which holds the checksums of the dataset's files.
fn data_checksum(data: &Dataset) -> Result<String, Error> {
    let manifest = serde_json::to_vec(data.manifest());
    let manifest = manifest.map_err(|e| Error::io(data.dir())(e.into()))?;
    Ok(format!("crc32:{:08x}", crc32fast::hash(&manifest)))
}
