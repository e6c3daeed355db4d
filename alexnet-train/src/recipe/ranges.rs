//! What the numbers of a recipe may be.

use std::fmt::Display;

use alexnet_data::ResizedCrop;

use crate::recipe::curve::WarmUp;
use crate::recipe::schedule::{Decay, Schedule};
use crate::recipe::{Mean, OwnRates, Rates, Recipe};

/// The most images in a batch, and the most epochs: far above all that is ever asked for, and far
/// below what overflows a product of them.
const MOST: usize = 1_000_000;

impl Recipe {
    /// Refuses numbers that mean nothing, by their key.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { batch, epochs, momentum, weights, biases, layers, .. } = self;
        count("batch", *batch, 1)?;
        count("epochs", *epochs, 1)?;
        let is_share = (0.0..1.0).contains(momentum);
        range(is_share, "momentum", momentum, "0 to below 1")?;
        rates("weights", weights)?;
        rates("biases", biases)?;
        for (name, layer) in layers {
            let of = [("weights", layer.weights), ("biases", layer.biases)];
            for (kind, own) in of {
                let OwnRates { rate, decay } = own.unwrap_or_default();
                for (what, own) in [("rate", rate), ("decay", decay)] {
                    let key = format!("layers.{name}.{kind}.{what}");
                    own.map_or(Ok(()), |own| not_negative(&key, own))?;
                }
            }
        }
        for (channel, scale) in self.input.scale.iter().enumerate() {
            positive(&format!("input.scale[{channel}]"), *scale)?;
        }
        count("augmentation.shared_by", self.augmentation.shared_by, 1)?;
        if let Some(resized) = &self.augmentation.resized {
            let (expected, ResizedCrop { area, ratio }) =
                ("ranges above 0, of areas up to 1", resized);
            let got = format!("area {area:?}, ratio {ratio:?}");
            range(resized.is_valid(), "augmentation.resized", got, expected)?;
            let aligned = self.input.mean == Mean::Aligned;
            let expected = "channel or centre-window with augmentation.resized";
            range(!aligned, "input.mean", "aligned", expected)?;
        }
        if let Some(color) = &self.augmentation.color {
            not_negative("augmentation.color.sigma", color.sigma)?;
            positive("augmentation.color.divisor", color.divisor)?;
        }
        if let Some(WarmUp { steps, from }) = self.warm_up {
            count("warm_up.steps", steps, 1)?;
            share("warm_up.from", from)?;
        }
        self.schedule.check()
    }
}

impl Schedule {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Fixed { changes } => {
                for (index, change) in changes.iter().enumerate() {
                    if change.epoch.is_some() == change.step.is_some() {
                        return Err(format!("schedule.changes[{index}]: expected epoch or step"));
                    }
                    for (kind, rate) in [("weights", change.weights), ("biases", change.biases)] {
                        let key = format!("schedule.changes[{index}].{kind}");
                        rate.map_or(Ok(()), |rate| not_negative(&key, rate))?;
                    }
                }
                Ok(())
            }
            Self::Plateau { factor, patience, drops, window, threshold, floor } => {
                let is_share = *factor > 0.0 && *factor < 1.0;
                range(is_share, "schedule.factor", factor, "a number between 0 and 1")?;
                count("schedule.patience", *patience, 1)?;
                count("schedule.drops", *drops, 0)?;
                count("schedule.window", *window, 1)?;
                not_negative("schedule.threshold", *threshold)?;
                share("schedule.floor", *floor)
            }
            Self::Cosine { lowest } => share("schedule.lowest", *lowest),
            Self::Exponential { weights, biases } => {
                for (kind, Decay { divisor, parts }) in [("weights", weights), ("biases", biases)] {
                    let is_right = divisor.is_finite() && *divisor >= 1.0;
                    let key = format!("schedule.{kind}.divisor");
                    range(is_right, &key, divisor, "a finite number, at least 1")?;
                    let key = format!("schedule.{kind}.parts");
                    parts.map_or(Ok(()), |parts| count(&key, parts, 2))?;
                }
                Ok(())
            }
        }
    }
}

fn rates(key: &str, rates: &Rates) -> Result<(), String> {
    not_negative(&format!("{key}.rate"), rates.rate)?;
    not_negative(&format!("{key}.decay"), rates.decay)
}

fn not_negative(key: &str, value: impl Into<f64> + Display + Copy) -> Result<(), String> {
    let number = value.into();
    range(number.is_finite() && number >= 0.0, key, value, "a finite number, at least 0")
}

fn positive(key: &str, value: impl Into<f64> + Display + Copy) -> Result<(), String> {
    let number = value.into();
    range(number.is_finite() && number > 0.0, key, value, "a finite number above 0")
}

fn share(key: &str, value: f32) -> Result<(), String> {
    range((0.0..=1.0).contains(&value), key, value, "0 to 1")
}

fn count(key: &str, value: usize, least: usize) -> Result<(), String> {
    range((least..=MOST).contains(&value), key, value, &format!("{least} to {MOST}"))
}

fn range(right: bool, key: &str, value: impl Display, expected: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(format!("{key} = {value}: expected {expected}")) }
}
