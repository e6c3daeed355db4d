//! What a run tells: each event is a line of its log and a call to whoever watches.

use std::path::PathBuf;

use serde::Serialize;

use crate::Evaluation;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run began or went on.
    Start {
        /// The network's name.
        network: String,
        /// The recipe's name.
        recipe: String,
        /// The run's seed.
        seed: u64,
        /// Weights and biases.
        parameters: u64,
        /// Classes of the dataset.
        classes: usize,
        /// Training images.
        images: usize,
        /// Epochs of the whole run.
        epochs: usize,
        /// Steps of an epoch.
        steps_per_epoch: usize,
        /// Where it goes on: 0, 0 for a new run.
        epoch: usize,
        /// See `epoch`.
        step: usize,
        /// What it computes on: `cpu`, `cuda:0`, `cuda:0,cuda:1`.
        device: String,
        /// What the device's maker calls it.
        model: String,
        /// How precisely: `f32`, `tf32`, `bf16`.
        precision: String,
    },
    /// The network is split over several devices.
    Split {
        /// How many.
        devices: usize,
        /// The layers before which activations cross.
        crossings: Vec<String>,
        /// What they go through.
        route: String,
    },
    /// An update was made.
    Step {
        /// Epoch, from 0.
        epoch: usize,
        /// Step within it, from 0.
        step: usize,
        /// Mean loss of its batch, before the update.
        loss: f32,
        /// Rate of the last layer's weights.
        rate: f32,
        /// Images in the batch.
        images: usize,
        /// Seconds of the step.
        seconds: f64,
        /// Of these, seconds that the loop waited for the loader.
        waited: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 0.
        epoch: usize,
        /// Mean loss of its images, each before its update.
        train_loss: f64,
        /// Rate of the last layer's weights.
        rate: f32,
        /// Error rates on the validation images, centre view; none without such images.
        validation: Option<Evaluation>,
        /// Seconds since this program began the epoch, validation included.
        seconds: f64,
    },
    /// The validation error stalled and all rates changed.
    Drop {
        /// The first epoch with the new rates.
        epoch: usize,
        /// What the recipe's rates are multiplied by now.
        factor: f32,
    },
    /// Images evaluated so far, for a progress bar; not in the log.
    #[serde(skip)]
    Evaluated {
        /// Images done.
        images: usize,
    },
    /// The run is complete.
    End {
        /// The final weights.
        weights: PathBuf,
        /// Error rates on the validation images with one view and with ten; empty without such images.
        validation: Vec<Evaluation>,
        /// Seconds since this program began.
        seconds: f64,
    },
}
