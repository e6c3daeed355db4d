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

#[cfg(test)]
mod tests {
    use super::*;

    fn after(guard: &mut Guard, losses: impl IntoIterator<Item = f32>) -> Result<(), Error> {
        losses.into_iter().enumerate().try_for_each(|(step, loss)| guard.step(loss, (0, step)))
    }

    #[test]
    fn a_loss_that_explodes_is_refused_and_one_that_only_varies_is_not() {
        let mut guard = Guard::new(10);
        after(&mut guard, std::iter::repeat_n(2.3, 40)).unwrap();
        after(&mut guard, std::iter::repeat_n(0.1, 40)).unwrap();
        after(&mut guard, (0..40).map(|step| if step % 20 == 0 { 50.0 } else { 0.2 })).unwrap();
        after(&mut guard, std::iter::repeat_n(7.0, 20)).unwrap(); // below 3 · (0.1 + ln 10)
        let error = after(&mut guard, std::iter::repeat_n(7.5, 20)).unwrap_err();
        let text = error.to_string();
        let want = "the mean loss of 20 steps, 0.10 at its lowest, is 7.5 at epoch 1, step 20:";
        assert!(text.contains(want), "{text}");
        for loss in [f32::NAN, f32::INFINITY] {
            assert!(matches!(guard.step(loss, (1, 2)), Err(Error::Diverged { epoch: 1, .. })));
        }
    }

    #[test]
    fn a_network_that_only_guesses_is_warned_of_and_then_ended() {
        let (mut guard, guessing) = (Guard::new(1000), 1000_f64.ln());
        let mut epoch = |loss: f64, steps| guard.epoch(loss, steps, (0, steps - 1));
        assert_eq!(epoch(guessing, 900).unwrap(), None);
        let warning = epoch(guessing * 0.999, 900).unwrap().unwrap();
        assert!(warning.contains("ln(classes) = 6.908"), "{warning}");
        assert_eq!(epoch(guessing, 900).unwrap(), None, "once");
        assert_eq!(epoch(guessing * 0.99, 900).unwrap(), None, "it has begun to learn");
        for _ in 0..4 {
            epoch(guessing, 2000).unwrap();
        }
        let error = epoch(guessing, 2000).unwrap_err().to_string();
        assert!(error.contains("only guesses, is 6.907"), "{error}");
    }
}
