//! The events of a run: each is a call of a callback, and a line of the log as a JSON object.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::checkpoint::progress::LogOffsets;
use crate::choices::ConvolutionChoice;
use crate::environment::Environment;
use crate::error::Error;
use crate::evaluate::score::Evaluation;
use crate::path_json;
use crate::train::pretrained::PretrainedLayers;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run was started or resumed.
    Start {
        /// The network's name.
        network: String,
        /// The recipe's name.
        recipe: String,
        /// The run's seed.
        seed: u64,
        /// The number of weights and biases.
        parameters: u64,
        /// The number of classes.
        classes: usize,
        /// The number of training images.
        images: usize,
        /// Epochs of the whole run.
        epochs: usize,
        /// Steps of an epoch.
        steps_per_epoch: usize,
        /// The epoch in which it goes on, 0 for a new run.
        epoch: usize,
        /// The step of that epoch at which it goes on.
        step: usize,
        /// The devices: `cpu`, `cuda:0`, `cuda:0,cuda:1`.
        device: String,
        /// The name that the maker gave the device.
        model: String,
        /// The precision: `f32`, `tf32`, `bf16`.
        precision: String,
        /// The program and the machine.
        environment: Box<Environment>,
        /// The layers that were not drawn but taken from a checkpoint.
        #[serde(skip_serializing_if = "Option::is_none")]
        pretrained: Option<Box<PretrainedLayers>>,
    },
    /// The network was split over several devices.
    Split {
        /// The number of devices.
        devices: usize,
        /// The layers before which activations are gathered on all devices.
        crossings: Vec<String>,
        /// How they are copied between devices.
        route: String,
    },
    /// A GPU chose how it runs one pass of a convolution.
    Convolution(ConvolutionChoice),
    /// An update was made.
    Step {
        /// The epoch, from 0.
        epoch: usize,
        /// The step within it, from 0.
        step: usize,
        /// The mean loss of its batch, before the update.
        loss: f32,
        /// The learning rate of the last layer's weights.
        rate: f32,
        /// The number of images in the batch.
        images: usize,
        /// The seconds of the step.
        seconds: f64,
        /// The seconds of these for which the loop waited for the loader.
        waited: f64,
    },
    /// An epoch ended.
    Epoch {
        /// The epoch, from 0.
        epoch: usize,
        /// The mean loss of its images, each before its update.
        train_loss: f64,
        /// Its images whose most probable class was wrong before their update, as they were varied
        /// for it, per cent. Classes that tie share an image.
        train_error: f64,
        /// The learning rate of the last layer's weights.
        rate: f32,
        /// The error rates on the validation images, if there are any, with the centre view.
        validation: Option<Evaluation>,
        /// Seconds since this process began the epoch, with validation.
        seconds: f64,
        /// The seconds of these for the validation.
        validation_seconds: f64,
    },
    /// The validation error stalled, and all rates were lowered.
    Drop {
        /// The first epoch with the new rates.
        epoch: usize,
        /// The factor of the recipe's rates from now on.
        factor: f32,
    },
    /// Some images were evaluated. This is for a progress bar and not in the log.
    #[serde(skip)]
    Evaluated {
        /// The number of images so far.
        images: usize,
    },
    /// A checkpoint is on the disk. The loop went on while it was written.
    Checkpoint {
        /// The epoch of the next step, from 0.
        epoch: usize,
        /// The next step within it, from 0.
        step: usize,
        /// The size of the file.
        bytes: u64,
        /// The seconds until it was on the disk.
        seconds: f64,
        /// The seconds for which the loop waited: for the network's outputs, which have to be
        /// finite, and for the copy of weights and velocities.
        waited: f64,
    },
    /// How large the values of each layer are.
    Norms {
        /// The epoch, from 0.
        epoch: usize,
        /// The step within it, from 0.
        step: usize,
        /// The layers that have weights, in the network's order.
        layers: Vec<LayerNorms>,
    },
    /// Something is not as it should be, and the run goes on.
    Warning {
        /// The epoch, from 0.
        epoch: usize,
        /// The step within it, from 0.
        step: usize,
        /// What, in one line.
        message: String,
    },
    /// Someone changed a number of the recipe with which the run was resumed.
    Change {
        /// The number's key, as in `weights.rate`.
        key: String,
        /// What it was.
        from: String,
        /// What it is from now on.
        to: String,
    },
    /// Training diverged and goes on from the last good checkpoint with lower rates.
    Rollback {
        /// What was not as it should be, and where.
        reason: String,
        /// The epoch from which it goes on, from 0.
        epoch: usize,
        /// The step of that epoch at which it goes on.
        step: usize,
        /// The factor of all rates from now on.
        factor: f32,
    },
    /// Training diverged, and the run has ended.
    Fail {
        /// What was not as it should be, and where.
        reason: String,
        /// The epoch, from 0.
        epoch: usize,
        /// The step within it, from 0.
        step: usize,
    },
    /// The run was asked to stop, and did. It can be resumed.
    Stop {
        /// Who asked: a signal or the time limit.
        reason: String,
        /// The epoch of the next step, from 0.
        epoch: usize,
        /// The next step within it, from 0.
        step: usize,
    },
    /// The run is complete.
    End {
        /// The final weights.
        #[serde(serialize_with = "path_json::serialize")]
        weights: PathBuf,
        /// The error rates on the validation images, if there are any, with one view and ten views.
        validation: Vec<Evaluation>,
        /// Seconds since this process started or resumed the run.
        seconds: f64,
    },
}

/// The Euclidean norms of what belongs to a layer's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerNorms {
    /// The layer.
    pub layer: String,
    /// That of its weights, after the update.
    pub weight: f32,
    /// That of the mean gradient of the batch.
    pub gradient: f32,
    /// That of the update.
    pub update: f32,
}

/// A line of the log: an event, and when it was written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    time: f64,
}

/// Seconds since the beginning of 1970, by the machine's clock, which someone may set.
fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A callback and an open log.
pub(crate) struct EventSink<'a> {
    on_event: &'a mut dyn FnMut(&Event),
    log: File,
    path: PathBuf,
}

impl<'a> EventSink<'a> {
    /// Opens the log at `path` to append to it; creates it where there is none.
    pub(crate) fn open(path: PathBuf, on_event: &'a mut dyn FnMut(&Event)) -> Result<Self, Error> {
        // A run that was killed may have left half a line, which must not swallow the next one.
        let cut = std::fs::read(&path).is_ok_and(|text| text.last().is_some_and(|b| *b != b'\n'));
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let mut log = log.map_err(Error::io(&path))?;
        if cut {
            log.write_all(b"\n").map_err(Error::io(&path))?;
        }
        Ok(Self { on_event, log, path })
    }

    /// Appends a line to the log, in one write, and calls the callback.
    pub(crate) fn emit(&mut self, event: Event) -> Result<(), Error> {
        let line = Line { event: &event, time: unix_time() };
        let mut line = serde_json::to_vec(&line).map_err(|e| Error::io(&self.path)(e.into()))?;
        line.push(b'\n');
        self.log.write_all(&line).map_err(Error::io(&self.path))?;
        (self.on_event)(&event); // last, because it may end the process
        Ok(())
    }

    /// Passes the number of evaluated images to the callback; they are not in the log.
    pub(crate) fn evaluated(&mut self, images: usize) {
        (self.on_event)(&Event::Evaluated { images });
    }

    /// The bytes of the logs so far, which are on the disk.
    pub(crate) fn offsets(&mut self) -> Result<LogOffsets, Error> {
        self.log.sync_data().map_err(Error::io(&self.path))?;
        let bytes = self.log.metadata().map_err(Error::io(&self.path))?.len();
        Ok([("log.jsonl".to_owned(), bytes)].into())
    }

    /// Cuts the logs off where they were at `offsets`.
    pub(crate) fn cut(&mut self, offsets: &LogOffsets) -> Result<(), Error> {
        let bytes = offsets.get("log.jsonl").copied().unwrap_or_default();
        let length = self.log.metadata().map_err(Error::io(&self.path))?.len();
        self.log.set_len(bytes.min(length)).map_err(Error::io(&self.path))
    }
}
