//! A training job, and the run that it starts or resumes.

use std::path::PathBuf;
use std::time::Duration;

use alexnet_data::{Dataset, GivenStatistics};
use alexnet_kernels::ComputeDevice;
use alexnet_model::NetworkSpec;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::progress::Progress;
use crate::error::Error;
use crate::memory;
use crate::recipe::Recipe;
use crate::run::{RunConfig, RunFolder, RunLock, data_checksum};
use crate::train::pretrained::Pretrained;

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
        /// Statistics in the place of the dataset's.
        statistics: Option<Box<GivenStatistics>>,
        /// A checkpoint with whose layers it begins; without it all layers are drawn.
        pretrained: Option<Pretrained>,
    },
    /// Resume the run that is there.
    Resume {
        /// Epochs of the whole run, where that changes.
        epochs: Option<usize>,
    },
}

/// A job that was found right: what its run is to do, and the right to do it.
pub(crate) struct SetUp {
    pub(crate) config: RunConfig,
    /// The checkpoint from which the run is resumed.
    pub(crate) resumed: Option<Checkpoint>,
    /// Keeps other processes out of the run's folder.
    pub(crate) lock: RunLock,
}

impl Job {
    /// Checks the job, and creates or updates the run's folder. A job that is refused leaves no
    /// folder behind.
    pub(crate) fn set_up(&self, data: &Dataset) -> Result<SetUp, Error> {
        match &self.task {
            Task::Start { .. } => {
                let config = self.config(data)?;
                let lock = self.run.create(&config)?;
                Ok(SetUp { config, resumed: None, lock })
            }
            Task::Resume { epochs } => {
                self.run.config()?; // a folder without a run is not locked
                let lock = self.run.lock()?;
                let (config, resumed) = self.resume(data, *epochs)?;
                self.run.update(&config)?;
                Ok(SetUp { config, resumed, lock })
            }
        }
    }

    /// What the run is to do, checked; nothing is written.
    pub(crate) fn config(&self, data: &Dataset) -> Result<RunConfig, Error> {
        let (mut config, pretrained) = match &self.task {
            Task::Resume { .. } => (self.run.config()?, None),
            Task::Start { recipe, network, seed, statistics, pretrained } => {
                let classes = data.manifest().classes.len();
                let config = RunConfig {
                    // Absolute, so that the run can be resumed from another folder.
                    data: std::path::absolute(&self.data).map_err(Error::io(&self.data))?,
                    data_checksum: data_checksum(data)?,
                    seed: *seed,
                    statistics: statistics.clone(),
                    pretrained: None,
                    recipe: recipe.as_ref().clone(),
                    network: network.as_ref().clone().with_classes(classes),
                };
                (config, pretrained.as_ref())
            }
        };
        self.check(&config, &config.recipe.name, data)?;
        if let Some(pretrained) = pretrained {
            let RunConfig { network, recipe, .. } = &config;
            let layers = pretrained.plan(network, recipe, &data.manifest().preprocessing())?;
            config.pretrained = Some(Box::new(layers));
        }
        Ok(config)
    }

    fn resume(
        &self,
        data: &Dataset,
        epochs: Option<usize>,
    ) -> Result<(RunConfig, Option<Checkpoint>), Error> {
        let mut config = self.run.config()?;
        config.recipe.epochs = epochs.unwrap_or(config.recipe.epochs);
        if config.data_checksum != data_checksum(data)? {
            let run = self.run.path().to_owned();
            return Err(Error::OtherDataset { run, data: self.data.clone() });
        }
        let origin = self.run.config_path().display().to_string();
        self.check(&config, &origin, data)?;
        // A run that ended before its first checkpoint begins again.
        let path = self.run.checkpoint();
        let Some(checkpoint) = path.exists().then(|| Checkpoint::load(&path)).transpose()? else {
            return Ok((config, None));
        };
        let RunConfig { recipe, network, .. } = &config;
        if checkpoint.network != *network {
            let reason = format!("its network is not that of {origin}; leave both as they were");
            return Err(Error::Checkpoint { path, reason });
        }
        let at = checkpoint.progress.unwrap_or(Progress::START);
        let fail = |message| Err(Error::Recipe { origin, message });
        if at.epoch > recipe.epochs {
            return fail(format!("epochs = {}, but {} are done already", recipe.epochs, at.epoch));
        }
        let steps = data.split("train")?.len().div_ceil(recipe.batch);
        if at.step >= steps {
            return fail(format!(
                "batch = {}, but {} steps of an epoch are done, which would have {steps}: leave \
                 batch as it was",
                recipe.batch, at.step
            ));
        }
        Ok((config, Some(checkpoint)))
    }

    /// Checks what a run is to do, whether it starts or goes on. `origin` names its recipe.
    fn check(&self, config: &RunConfig, origin: &str, data: &Dataset) -> Result<(), Error> {
        let RunConfig { recipe, network, .. } = config;
        let wrong = |message| Error::Recipe { origin: origin.to_owned(), message };
        recipe.check().map_err(wrong)?;
        recipe.check_layers(network)?;
        config.statistics_of(data)?;
        let towers = network.fused_layers_on(self.devices.len())?;
        let classes = data.manifest().classes.len();
        if network.classes() != Some(classes) {
            let message = format!(
                "its network has {} outputs, but the dataset {classes} classes",
                network.classes().unwrap_or(0)
            );
            return Err(wrong(message));
        }
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
        memory::check(&towers, recipe.batch, &self.devices)
    }
}
