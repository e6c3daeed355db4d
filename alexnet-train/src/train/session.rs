//! A run under way: its log, its checkpoints, its guard, and going back when training diverges.

use crate::checkpoint::files::{CheckpointFiles, Kept};
use crate::checkpoint::progress::Progress;
use crate::choices;
use crate::devices::names;
use crate::environment::Environment;
use crate::error::Error;
use crate::evaluate::evaluate_until;
use crate::evaluate::score::Evaluation;
use crate::input::InputStage;
use crate::log::event::Event;
use crate::log::sink::EventSink;
use crate::recipe::changed_value::ChangedValue;
use crate::recipe::schedule::Moment;
use crate::train::disk::DiskNeeds;
use crate::train::finite::{LastStep, diverged};
use crate::train::guard::{Guard, OnDivergence};
use crate::train::job::Job;
use crate::train::pending::PendingLosses;
use crate::train::saver::Saver;
use crate::train::setup::{Setup, State};
use alexnet_data::{Split, Views};

/// How often a run goes back to a good checkpoint before it ends.
const ROLLBACKS: u32 = 3;

/// A run under way.
pub(crate) struct Session<'a> {
    pub(crate) events: EventSink<'a>,
    pub(crate) saver: Saver,
    pub(super) job: &'a Job,
    inputs: &'a [InputStage],
    guard: Guard,
    /// How many of the choices of the device are in the log.
    choices: usize,
}

impl<'a> Session<'a> {
    /// Opens a run whose logs are open, and says in them that it begins or goes on.
    pub(crate) fn open(
        setup: &Setup<'a>,
        inputs: &'a [InputStage],
        state: &State,
        events: EventSink<'a>,
    ) -> Result<Self, Error> {
        let job = setup.job;
        let files = CheckpointFiles { run: job.run.clone(), keep: job.keep.max(1) };
        let saver = Saver::new(files, setup.checkpoint_writer()?, job.checkpoint_every);
        let guard = Guard::new(setup.data.manifest().classes.len());
        let mut session = Self { events, saver, job, inputs, guard, choices: 0 };
        session.tell_start(setup, state);
        session.saver.reserve(state)?;
        Ok(session)
    }

    fn tell_start(&mut self, setup: &Setup<'_>, state: &State) {
        let Setup { job, config, training, steps, .. } = setup;
        let (devices, compute, at) = (&job.devices, &job.devices[0], &state.at);
        let events = &mut self.events;
        events.emit(Event::Start {
            network: config.network.name.clone(),
            recipe: config.recipe.name.clone(),
            seed: config.seed,
            parameters: state.network.parameters().map(|p| p.tensor.elem_count() as u64).sum(),
            classes: setup.data.manifest().classes.len(),
            images: training.len(),
            epochs: config.recipe.epochs,
            steps_per_epoch: *steps,
            epoch: at.epoch,
            step: at.step,
            device: names(devices),
            model: compute.model(),
            precision: compute.options().precision.to_string(),
            environment: Box::new(Environment::here(job.loader_threads)),
            pretrained: config.pretrained.clone(),
        });
        let updates = at.epoch * steps + at.step;
        if updates == 0 {
            events.recipe(updates, &config.recipe);
            events.kernels(updates, &state.network);
        }
        if devices.len() > 1 {
            let crossings = state.network.gathering_layers().into_iter().map(str::to_owned);
            let (crossings, route) = (crossings.collect(), state.network.route().to_string());
            events.emit(Event::Split { devices: devices.len(), crossings, route });
        }
    }

    /// Warns of checkpoints that are damaged, for which an earlier one is used.
    pub(crate) fn warn_of(&mut self, damaged: &[Error], state: &State) {
        let Progress { epoch, step, .. } = state.at;
        for error in damaged {
            let message = format!("{error}; the run goes on from the one before it");
            self.events.emit(Event::Warning { epoch, step, message });
        }
    }

    /// Warns of a disk that has no room for all that the run writes.
    pub(crate) fn warn_of_disk(&mut self, needs: &DiskNeeds, state: &State) {
        let Progress { epoch, step, .. } = state.at;
        if let Some(message) = needs.warning(&self.job.run) {
            self.events.emit(Event::Warning { epoch, step, message });
        }
    }

    /// Tells of numbers that someone has changed since the run was last at work.
    pub(crate) fn tell_of(&mut self, changes: Vec<ChangedValue>, setup: &Setup<'_>, state: &State) {
        if !changes.is_empty() {
            let updates = state.at.epoch * setup.steps + state.at.step;
            self.events.recipe(updates, &setup.config.recipe);
            // From a checkpoint with other numbers than `run.json` it would not go on by itself.
            self.saver.make_due();
        }
        for ChangedValue { key, from, to } in changes {
            self.events.emit(Event::Change { key, from, to });
        }
    }

    /// Whether the norms of the layers are measured in a step.
    pub(crate) fn measures_norms(&self, at: Moment) -> bool {
        (at.step + 1).checked_rem(self.job.norms_every) == Some(0)
    }

    /// Waits for the losses of the steps so far, and tells of all that has happened meanwhile.
    pub(crate) fn drain(
        &mut self,
        pending: &mut PendingLosses,
        at: &mut Progress,
    ) -> Result<(), Error> {
        for choice in choices::since(&self.job.devices[0], self.choices) {
            self.choices += 1;
            self.events.emit(Event::Convolution(choice));
        }
        pending.drain(at, &mut self.guard, &mut self.events)?;
        self.saver.look(&mut self.events)
    }

    /// Looks at the mean loss of an epoch.
    pub(crate) fn check_epoch(
        &mut self,
        loss: f64,
        steps: usize,
        last: LastStep,
    ) -> Result<(), Error> {
        if let Some(message) = self.guard.epoch(loss, steps, last)? {
            self.events.emit(Event::Warning { epoch: last.0, step: last.1, message });
        }
        Ok(())
    }

    /// Copies the state and begins to write it. The losses of all steps have to be in the log.
    pub(crate) fn save(&mut self, state: &State, kept: Kept, last: LastStep) -> Result<(), Error> {
        self.saver.save(state, kept, last, &mut self.events)
    }

    /// The error rates on the validation images with the centre view, if there are any.
    pub(crate) fn validate_epoch(
        &mut self,
        setup: &Setup<'_>,
        state: &State,
        last: LastStep,
    ) -> Result<Option<Evaluation>, Error> {
        setup.validation.map(|split| self.validate(split, state, Views::One, last)).transpose()
    }

    /// The error rates on the validation images; [`Error::Stopped`] where the run is asked to stop
    /// meanwhile.
    pub(super) fn validate(
        &mut self,
        split: &Split,
        state: &State,
        views: Views,
        last: LastStep,
    ) -> Result<Evaluation, Error> {
        let (job, events) = (self.job, &mut self.events);
        let threads = job.loader_threads;
        evaluate_until(&state.network, split, self.inputs, views, threads, &mut |images| {
            events.evaluated(images);
            if job.stop.reason().is_some() { Err(Error::Stopped) } else { Ok(()) }
        })
        .map_err(|error| match error {
            Error::Outputs => diverged("an output for a validation image", f32::NAN, last),
            error => error,
        })
    }

    /// After training has diverged: the state of the last good checkpoint, whose rates are a tenth
    /// of what they were. Gives back any other error, and this one where it is the end of the run.
    pub(crate) fn roll_back(
        &mut self,
        setup: &Setup<'_>,
        state: &State,
        error: Error,
    ) -> Result<State, Error> {
        let Error::Diverged { epoch, step, .. } = error else { return Err(error) };
        _ = self.saver.finish(&mut self.events); // it may have diverged, too
        let rollbacks = state.at.rollbacks + 1;
        if self.job.on_divergence == OnDivergence::Stop || rollbacks > ROLLBACKS {
            let reason = error.to_string();
            self.events.emit(Event::Fail { reason, epoch, step });
            return Err(error);
        }
        let (checkpoint, damaged) = CheckpointFiles::newest(&self.job.run)?;
        let logs = checkpoint.as_ref().map(|c| c.logs.clone());
        let mut state = State::new(setup, checkpoint)?;
        state.at.rollbacks = rollbacks;
        self.events.cut_to(logs.as_ref());
        if logs.is_none() {
            self.tell_start(setup, &state); // that was cut off, too
        }
        self.warn_of(&damaged, &state);
        let (reason, factor) = (error.to_string(), state.at.rate_factor());
        let Progress { epoch, step, .. } = state.at;
        self.events.emit(Event::Rollback { reason, epoch, step, factor });
        self.guard = Guard::new(setup.data.manifest().classes.len());
        Ok(state)
    }
}
