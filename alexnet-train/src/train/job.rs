//! A training job, and the run that it starts or resumes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alexnet_data::{Dataset, GivenStatistics};
use alexnet_kernels::ComputeDevice;
use alexnet_model::NetworkSpec;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::files::CheckpointFiles;
use crate::checkpoint::progress::Progress;
use crate::error::Error;
use crate::memory;
use crate::recipe::Recipe;
use crate::recipe::changed_value::{ChangedValue, changed_values};
use crate::run::{RunConfig, RunFolder, RunLock, data_checksum};
use crate::train::checkpoint_every::CheckpointEvery;
use crate::train::guard::OnDivergence;
use crate::train::pretrained::Pretrained;
use crate::train::stop::Stop;

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
    /// How often a checkpoint is written within an epoch; each epoch ends with one anyhow.
    pub checkpoint_every: CheckpointEvery,
    /// How many of the last checkpoints are kept, beside the best and one for each drop of the
    /// rates; at least 1.
    pub keep: usize,
    /// What to do when training diverges.
    pub on_divergence: OnDivergence,
    /// Steps from one measurement of the layers' norms to the next; 0 for none.
    pub norms_every: usize,
    /// Who may ask the run to stop.
    pub stop: Stop,
    /// One device, or one for each tower of the network.
    pub devices: Vec<ComputeDevice>,
}

impl Job {
    /// A job with one loader thread, a checkpoint every ten minutes of which the last two are kept,
    /// norms every hundred steps, an end where training diverges, and nobody who stops it.
    pub fn new(data: &Path, run: RunFolder, task: Task, devices: Vec<ComputeDevice>) -> Self {
        Self {
            data: data.to_owned(),
            run,
            task,
            loader_threads: 1,
            checkpoint_every: CheckpointEvery::Time(Duration::from_secs(600)),
            keep: 2,
            on_divergence: OnDivergence::default(),
            norms_every: 100,
            stop: Stop::default(),
            devices,
        }
    }
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
        /// What is asked of it.
        asked: Box<Asked>,
        /// Whether it may go on with other numbers of its recipe than those it had.
        may_change: bool,
    },
}

/// What is asked of a run that is resumed. What is given has to be what the run has; another number
/// of epochs may always be asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Epochs of the whole run.
    pub epochs: Option<usize>,
    /// Its recipe.
    pub recipe: Option<Recipe>,
    /// Its network, with any number of outputs.
    pub network: Option<NetworkSpec>,
    /// Its seed.
    pub seed: Option<u64>,
    /// The statistics in the place of the dataset's.
    pub statistics: Option<GivenStatistics>,
}

impl Task {
    /// Resumes the run as it is, but for its epochs, where they are given.
    pub fn resume(epochs: Option<usize>) -> Self {
        let asked = Box::new(Asked { epochs, ..Asked::default() });
        Self::Resume { asked, may_change: false }
    }
}

/// A job that was found right: what its run is to do.
pub(crate) struct SetUp {
    pub(crate) config: RunConfig,
    /// The checkpoint from which the run is resumed.
    pub(crate) resumed: Option<Checkpoint>,
    /// What is wrong with later ones.
    pub(crate) damaged: Vec<Error>,
    /// In what its recipe differs from what it was.
    pub(crate) changes: Vec<ChangedValue>,
}

impl Job {
    /// Checks the job, and creates or updates the run's folder, in which no other process may be at
    /// work as long as this one has its lock. A job that is refused leaves no folder behind.
    pub(crate) fn set_up(&self, data: &Dataset) -> Result<(SetUp, RunLock), Error> {
        match &self.task {
            Task::Start { .. } => {
                let set_up = self.plan(data)?;
                let lock = self.run.create(&set_up.config)?;
                Ok((set_up, lock))
            }
            Task::Resume { .. } => {
                self.run.config()?; // a folder without a run is not locked
                let lock = self.run.lock()?;
                let set_up = self.plan(data)?;
                self.run.update(&set_up.config)?;
                Ok((set_up, lock))
            }
        }
    }

    /// Checks the job; nothing is written.
    pub(crate) fn plan(&self, data: &Dataset) -> Result<SetUp, Error> {
        match &self.task {
            Task::Start { .. } => {
                let (damaged, changes) = (Vec::new(), Vec::new());
                Ok(SetUp { config: self.config(data)?, resumed: None, damaged, changes })
            }
            Task::Resume { asked, may_change } => self.resume(data, asked, *may_change),
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

    fn resume(&self, data: &Dataset, asked: &Asked, may_change: bool) -> Result<SetUp, Error> {
        let mut config = self.run.config()?;
        if config.data_checksum != data_checksum(data)? {
            let run = self.run.path().to_owned();
            return Err(Error::OtherDataset { run, data: self.data.clone() });
        }
        config.data = std::path::absolute(&self.data).map_err(Error::io(&self.data))?;
        self.check_asked(asked, &config)?;
        let mut before = config.recipe.clone();
        if let Some(recipe) = &asked.recipe {
            config.recipe = recipe.clone();
        }
        config.recipe.epochs = asked.epochs.unwrap_or(config.recipe.epochs);
        let origin = self.run.config_path().display().to_string();
        self.check(&config, &origin, data)?;
        // A run that ended before its first checkpoint begins again.
        let (resumed, damaged) = CheckpointFiles::newest(&self.run)?;
        if let Some(checkpoint) = &resumed {
            self.check_checkpoint(&config, checkpoint, data)?;
            before = checkpoint.recipe.clone();
        }
        if asked.epochs.is_some() || asked.recipe.is_none() {
            before.epochs = config.recipe.epochs;
        }
        let changes = changed_values(&before, &config.recipe);
        if !may_change && !changes.is_empty() {
            return Err(Error::OtherNumbers { run: self.run.path().to_owned(), changes });
        }
        Ok(SetUp { config, resumed, damaged, changes })
    }

    /// Refuses to resume another run than the one that is there.
    fn check_asked(&self, asked: &Asked, config: &RunConfig) -> Result<(), Error> {
        let outputs = config.network.classes().unwrap_or(0);
        let is_other_network =
            |network: &NetworkSpec| network.clone().with_classes(outputs) != config.network;
        let statistics = config.statistics.as_deref();
        let others = [
            ("network", asked.network.as_ref().is_some_and(is_other_network)),
            ("seed", asked.seed.is_some_and(|seed| seed != config.seed)),
            ("statistics", asked.statistics.as_ref().is_some_and(|s| Some(s) != statistics)),
        ];
        match others.iter().find(|(_, is_other)| *is_other) {
            Some((what, _)) => Err(Error::OtherRun { run: self.run.path().to_owned(), what }),
            None => Ok(()),
        }
    }

    /// Refuses a checkpoint from which the run cannot go on.
    fn check_checkpoint(
        &self,
        config: &RunConfig,
        checkpoint: &Checkpoint,
        data: &Dataset,
    ) -> Result<(), Error> {
        let origin = self.run.config_path().display().to_string();
        let RunConfig { recipe, network, .. } = config;
        if checkpoint.network != *network {
            let reason = format!("its network is not that of {origin}; leave both as they were");
            return Err(Error::Checkpoint { path: self.run.checkpoint(), reason });
        }
        let at = checkpoint.progress.clone().unwrap_or(Progress::START);
        let fail = |message| Err(Error::Recipe { origin, message });
        if at.epoch > recipe.epochs {
            return fail(format!("epochs = {}, but {} are done already", recipe.epochs, at.epoch));
        }
        let steps = data.split("train")?.len().div_ceil(recipe.batch);
        if at.step > steps {
            return fail(format!(
                "batch = {}, but {} steps of an epoch are done, which would have {steps}: leave \
                 batch as it was",
                recipe.batch, at.step
            ));
        }
        Ok(())
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
