//! All that training steps need, before anything is written.

use std::ops::Range;

use alexnet_data::{Batch, Dataset, Plan, Split, Statistics};
use alexnet_model::Network;
use candle_core::{DType, Device, Tensor};

use crate::checkpoint::Checkpoint;
use crate::checkpoint::progress::Progress;
use crate::checkpoint::write::CheckpointWriter;
use crate::devices::candle_devices;
use crate::error::Error;
use crate::evaluate::check::class_names;
use crate::input::InputStage;
use crate::recipe::schedule::Moment;
use crate::run::RunConfig;
use crate::train::job::Job;
use crate::train::optimizer::Optimizer;
use crate::train::pretrained::first_network;

/// What a run is trained on, which stays the same from its beginning to its end.
pub(crate) struct Setup<'a> {
    pub(crate) job: &'a Job,
    pub(crate) data: &'a Dataset,
    pub(crate) config: RunConfig,
    pub(crate) training: &'a Split,
    pub(crate) validation: Option<&'a Split>,
    /// Steps of an epoch.
    pub(crate) steps: usize,
    statistics: Statistics,
    plans: [Plan; 2], // without colour noise and with it
}

impl<'a> Setup<'a> {
    pub(crate) fn new(job: &'a Job, data: &'a Dataset, config: RunConfig) -> Result<Self, Error> {
        let (training, validation) = (data.split("train")?, data.split("val").ok());
        let [_, h, w] = config.network.input;
        let RunConfig { seed, recipe, .. } = &config;
        let plan = |with_noise| {
            let augmentation = recipe.augmentation([h, w], with_noise);
            Plan::new(training.len(), recipe.batch, recipe.order, *seed, augmentation)
        };
        let (plans, statistics) = ([plan(false)?, plan(true)?], config.statistics_of(data)?);
        let steps = plans[0].steps_per_epoch();
        Ok(Self { job, data, config, training, validation, steps, statistics, plans })
    }

    /// The steps that are left, counted over the whole run.
    pub(crate) fn steps_left(&self, at: &Progress) -> Range<u64> {
        let epochs = self.config.recipe.epochs.max(at.epoch);
        (at.epoch * self.steps + at.step) as u64..(epochs * self.steps) as u64
    }

    /// Makes the batch of a step, counted over the whole run: a function of it and of the seed.
    pub(crate) fn fill(&self, step: u64, batch: &mut Batch) -> Result<(), Error> {
        let (epoch, of_epoch) = (step as usize / self.steps, step as usize % self.steps);
        let moment = Moment { epoch, step: step as usize };
        let with_noise = self.config.recipe.schedule.has_color_noise(moment);
        let plan = &self.plans[usize::from(with_noise)];
        Ok(plan.fill(self.training, &self.statistics, epoch, of_epoch, batch)?)
    }

    /// The input of the network, on the device of each of its towers.
    pub(crate) fn inputs(&self, network: &Network) -> Result<Vec<InputStage>, Error> {
        let stored = [self.training.height(), self.training.width()];
        let [_, h, w] = self.config.network.input;
        let (recipe, mean) = (&self.config.recipe.input, &self.statistics.mean_image);
        let blocks = network.image_blocks()?;
        let input = |compute| {
            let stage = InputStage::new(recipe, mean, stored, [h, w], compute)?;
            Ok(stage.in_blocks(blocks))
        };
        self.job.devices.iter().map(input).collect()
    }

    /// What all checkpoints of the run have in common.
    pub(crate) fn checkpoint_writer(&self) -> Result<CheckpointWriter, Error> {
        let (height, width) = (self.training.height(), self.training.width());
        Ok(CheckpointWriter {
            recipe: self.config.recipe.clone(),
            classes: class_names(self.data),
            preprocessing: self.data.manifest().preprocessing(),
            mean_image: Tensor::from_slice(
                &self.statistics.mean_image,
                (height, width, 3),
                &Device::Cpu,
            )?,
        })
    }
}

/// A network in training: what changes with every step.
pub(crate) struct State {
    pub(crate) network: Network,
    pub(crate) optimizer: Optimizer,
    /// Where the run stands.
    pub(crate) at: Progress,
}

impl State {
    /// That of a checkpoint, or without one the beginning of the run.
    pub(crate) fn new(setup: &Setup<'_>, checkpoint: Option<Checkpoint>) -> Result<Self, Error> {
        let Setup { job, config, .. } = setup;
        let (first, velocities, at) = match checkpoint {
            Some(c) => (c.network()?, c.velocities(), c.progress.unwrap_or(Progress::START)),
            None => {
                let pretrained = config.pretrained.as_deref();
                let network = first_network(&config.network, config.seed, pretrained)?;
                (network, Default::default(), Progress::START)
            }
        };
        let (devices, compute) = (&job.devices, &job.devices[0]); // an empty list was refused
        let mut network = first.to_devices(&candle_devices(devices), DType::F32)?;
        let optimizer = Optimizer::new(&mut network, &velocities, compute.activations())?;
        Ok(Self { network, optimizer, at })
    }
}
