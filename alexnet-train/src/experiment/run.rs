//! One run of an experiment: an arm with a seed.

use alexnet_data::{Dataset, test_views};
use alexnet_model::FusedLayer;

use super::arm::Arm;
use super::scores::RunScores;
use super::{Experiment, PlannedRun, RunState};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::evaluate::ensemble::Ensemble;
use crate::evaluate::pass::Member;
use crate::log::event::Event;
use crate::run::{RunConfig, RunFolder};
use crate::train::job::{Job, Task};
use crate::train::stop::Ended;
use crate::train::train;

/// An arm with a seed.
pub(super) struct ArmRun<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) arm: &'a Arm,
    pub(super) seed: u64,
}

impl ArmRun<'_> {
    fn folder(&self) -> RunFolder {
        self.experiment.run_folder(self.arm, self.seed)
    }

    fn job(&self, state: RunState) -> Job {
        let Arm { network, recipe, pretrained, .. } = self.arm;
        let task = match state {
            RunState::New => Task::Start {
                recipe: Box::new(recipe.clone()),
                network: Box::new(network.clone()),
                seed: self.seed,
                statistics: None,
                pretrained: pretrained.clone(),
            },
            RunState::Begun | RunState::Trained => Task::resume(None),
        };
        let Experiment { data, devices, stop, .. } = self.experiment;
        Job { stop: stop.clone(), ..Job::new(data, self.folder(), task, devices.clone()) }
    }

    /// Checks that it can be trained, and that what is there is this run.
    pub(super) fn check(&self, data: &Dataset) -> Result<PlannedRun, Error> {
        let run = self.folder();
        let config = self.job(RunState::New).config(data)?;
        let mut state = RunState::New;
        if run.is_begun() {
            let found = run.config()?;
            let asked = RunConfig { data: found.data.clone(), ..config.clone() };
            if found != asked {
                return Err(Error::OtherExperiment(run.path().to_owned()));
            }
            state = if run.weights().exists() { RunState::Trained } else { RunState::Begun };
        }
        let layers = config.network.fused_layers()?;
        let images = data.split("train")?.len();
        let epochs = config.recipe.epochs;
        // A backward pass has twice the multiply-adds of a forward pass.
        let each = 3 * layers.iter().map(FusedLayer::multiply_adds).sum::<u64>();
        Ok(PlannedRun {
            arm: self.arm.name.clone(),
            seed: self.seed,
            folder: run.path().to_owned(),
            state,
            parameters: layers.iter().map(FusedLayer::parameter_count).sum(),
            multiply_adds: each.saturating_mul((images * epochs) as u64),
            steps: images.div_ceil(config.recipe.batch) * epochs,
        })
    }

    /// Trains it to its end, unless that is done, and gives the scores of the validation images.
    pub(super) fn complete(
        &self,
        data: &Dataset,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<RunScores, Error> {
        if self.experiment.stop.reason().is_some() {
            return Err(Error::Stopped);
        }
        let state = self.check(data)?.state;
        if state != RunState::Trained
            && let Ended::Stopped { .. } = train(&self.job(state), on_event)?
        {
            return Err(Error::Stopped);
        }
        let Experiment { split, views, devices, stop, .. } = self.experiment;
        let (run, split) = (self.folder(), data.split(split)?);
        let (stored, [_, h, w]) = ([split.height(), split.width()], self.arm.network.input);
        let count = test_views(stored, [h, w], *views)?.len();
        let path = run.path().join(format!("{}-{count}-views.safetensors", split.name()));
        if path.exists() {
            return RunScores::load(&path);
        }
        let weights = run.weights();
        let checkpoint = Checkpoint::load(&weights)?;
        let inputs = devices.iter().map(|device| checkpoint.input(&weights, device));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let network = checkpoint.network_on(devices)?;
        let member = Member { network: &network, inputs: &inputs };
        let mut ensemble = Ensemble { networks: vec![member], saved: Vec::new() };
        let mut scores = RunScores::default();
        ensemble.predict(split, *views, 1, &mut |predictions| {
            scores.add(&predictions.scores(&RunScores::tops()));
            if stop.reason().is_some() { Err(Error::Stopped) } else { Ok(()) }
        })?;
        scores.save(&path)?;
        Ok(scores)
    }
}
