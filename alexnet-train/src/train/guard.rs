//! Watches the loss: it has to be finite, must not explode, and must not stay where a network is
//! that only guesses.

use alexnet_model::Network;
use candle_core::{DType, Tensor};

use crate::error::Error;
use crate::train::finite::{LastStep, diverged};

/// Steps whose mean loss is looked at together.
const WINDOW: usize = 20;
/// A mean loss of so many times the lowest one and the loss of guessing together has exploded.
const EXPLODED: f64 = 3.0;
/// A mean loss of an epoch within this share of that of guessing is that of guessing.
const GUESSING: f64 = 0.005;
/// Epochs of guessing after which a run ends, if they have as many steps as is said below: the loss
/// of the network of 2012 begins to fall after some hundred steps.
const PATIENCE: usize = 5;
const STEPS_TO_WARN: usize = 1_000;
const STEPS_TO_END: usize = 5_000;

/// What a run does when training diverges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDivergence {
    /// It ends with [`Error::Diverged`]. The last good checkpoint stays.
    #[default]
    Stop,
    /// It goes on from the last good checkpoint with a tenth of all rates; after three times it
    /// ends.
    Rollback,
}

/// What was seen of the losses so far.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The mean loss of guessing: the logarithm of the number of classes.
    guessing: f64,
    window: Vec<f64>,
    lowest: f64,
    /// Epochs and steps of guessing.
    guessed: (usize, usize),
    is_warned: bool,
}

impl Guard {
    pub(crate) fn new(classes: usize) -> Self {
        let (window, lowest) = (Vec::with_capacity(WINDOW), f64::INFINITY);
        let guessing = (classes as f64).ln();
        Self { guessing, window, lowest, guessed: (0, 0), is_warned: false }
    }

    /// Refuses the mean loss of a step that is not finite, or with which the loss has exploded.
    pub(crate) fn step(&mut self, loss: f32, at: LastStep) -> Result<(), Error> {
        if !loss.is_finite() {
            return Err(diverged("the loss", loss, at));
        }
        self.window.push(f64::from(loss));
        if self.window.len() < WINDOW {
            return Ok(());
        }
        let mean = self.window.drain(..).sum::<f64>() / WINDOW as f64;
        if mean > EXPLODED * (self.lowest + self.guessing) {
            let what =
                format!("the mean loss of {WINDOW} steps, {:.2} at its lowest,", self.lowest);
            return Err(diverged(what, mean as f32, at));
        }
        self.lowest = self.lowest.min(mean);
        Ok(())
    }

    /// Refuses the losses of a batch, `(2, B)` with what is right, that are not finite, before they
    /// spoil every weight: so the layer in which it began can be named.
    pub(crate) fn before_update(
        results: &Tensor,
        network: &Network,
        images: &[Tensor],
        (epoch, step): LastStep,
    ) -> Result<(), Error> {
        let value = results.get(0)?.sum_all()?.to_scalar::<f32>()?;
        if value.is_finite() {
            return Ok(());
        }
        let layer = first_bad_layer(network, images);
        Err(Error::Diverged { what: "the loss".to_owned(), value, layer, epoch, step })
    }

    /// Looks at the mean loss of an epoch of `steps`: a warning where the network only guesses, and
    /// an error where it has for several epochs.
    pub(crate) fn epoch(
        &mut self,
        loss: f64,
        steps: usize,
        last: LastStep,
    ) -> Result<Option<String>, Error> {
        if self.guessing == 0.0 || loss < self.guessing * (1.0 - GUESSING) {
            (self.guessed, self.is_warned) = ((0, 0), false);
            return Ok(None);
        }
        let (epochs, steps) = (self.guessed.0 + 1, self.guessed.1 + steps);
        self.guessed = (epochs, steps);
        let guessing = self.guessing;
        if epochs >= PATIENCE && steps >= STEPS_TO_END {
            let what = format!(
                "the loss of {epochs} epochs, which is ln(classes) = {guessing:.3} where a network \
                 only guesses,"
            );
            return Err(diverged(what, loss as f32, last));
        }
        if steps < STEPS_TO_WARN || std::mem::replace(&mut self.is_warned, true) {
            return Ok(None);
        }
        Ok(Some(format!(
            "the loss has stayed at ln(classes) = {guessing:.3}: the network only guesses, and \
             another rate may help it"
        )))
    }
}

/// The layer in which values that are not finite begin: its weights, or what it computes for these
/// images.
fn first_bad_layer(network: &Network, images: &[Tensor]) -> Option<String> {
    let is_bad = |t: &Tensor| {
        let sum = t.to_dtype(DType::F32).and_then(|t| t.sqr()?.sum_all()?.to_scalar::<f32>());
        sum.is_ok_and(|sum| !sum.is_finite())
    };
    if let Some(parameter) = network.parameters().find(|parameter| is_bad(&parameter.tensor)) {
        return Some(parameter.layer.clone());
    }
    let layers = network.spec().layers.iter().map(|layer| layer.name.clone());
    layers.into_iter().find(|layer| network.activations(images, layer).is_ok_and(|a| is_bad(&a)))
}
