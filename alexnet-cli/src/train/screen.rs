//! The events of a training on the terminal.

use std::time::{Duration, Instant};

use alexnet_train::Event;
use indicatif::{HumanDuration, ProgressBar};

use super::fine_tuning::lines;
use crate::describe::grouped;
use crate::output::tell;
use crate::progress::training_bar;
use crate::width::{COLUMNS, fold};

/// A bar on terminals, and a line for each epoch.
pub(super) struct Screen {
    bar: ProgressBar,
    quiet: bool,
    epochs: usize,
    epoch_images: usize,
    first: u64,
    began: Instant,
    /// The learning rate that was told last.
    rate: Option<String>,
    validation: String,
}

impl Screen {
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            bar: training_bar(),
            quiet,
            epochs: 0,
            epoch_images: 0,
            first: 0,
            began: Instant::now(),
            rate: None,
            validation: String::new(),
        }
    }

    fn line(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| tell(&fold(line, COLUMNS)));
        }
    }

    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::Start {
                network,
                recipe,
                seed,
                parameters,
                classes,
                images,
                epochs,
                epoch,
                device,
                model,
                precision,
                pretrained,
                step,
                ..
            } => {
                (self.epochs, self.epoch_images) = (*epochs, *images);
                self.first = (epoch * images) as u64;
                self.bar.set_length((epochs * images) as u64);
                self.bar.set_position(self.first);
                self.bar.reset_eta();
                self.began = Instant::now();
                let (parameters, images) = (grouped(*parameters), grouped(*images as u64));
                self.line(&format!(
                    "network {network} ({parameters} parameters), recipe {recipe}, seed {seed}"
                ));
                self.line(&format!("{images} images of {classes} classes, {epochs} epochs"));
                if !device.starts_with("cpu") {
                    self.line(&format!("{device}: {model}, {precision}"));
                }
                if let Some(began) = pretrained.as_ref().filter(|_| (*epoch, *step) == (0, 0)) {
                    lines(began).iter().for_each(|line| self.line(line));
                }
            }
            Event::Split { devices, crossings, route } => {
                let crossings = crossings.join(", ");
                self.line(&format!(
                    "a tower on each of {devices} devices: activations cross before {crossings}, \
                     by {route}"
                ));
            }
            Event::Step { epoch, loss, images, .. } => {
                self.bar.inc(*images as u64);
                let validation = &self.validation;
                self.bar.set_message(format!(
                    "epoch {}/{} loss {loss:.3}{validation}",
                    epoch + 1,
                    self.epochs
                ));
            }
            Event::Epoch { epoch, train_loss, train_error, rate, validation, seconds, .. } => {
                let done = ((epoch + 1) * self.epoch_images) as u64 - self.first;
                let left = (self.epochs - epoch - 1) * self.epoch_images;
                let elapsed = self.began.elapsed().as_secs_f64();
                let eta = elapsed * left as f64 / done.max(1) as f64;
                let eta = HumanDuration(Duration::from_secs_f64(eta));
                let error = match validation {
                    Some(v) => {
                        format!("top-1 error {:.1}, top-5 {:.1} %", v.top1_error, v.top5_error)
                    }
                    None => format!("train error {train_error:.1} %"),
                };
                let rate = format!("{rate:.0e}");
                if self.rate.as_ref() != Some(&rate) {
                    self.line(&format!("learning rate {rate}"));
                    self.rate = Some(rate);
                }
                let speed = self.epoch_images as f64 / seconds;
                let digits = if *train_loss < 1.0 { 3 } else { 2 };
                self.line(&format!(
                    "epoch {:>3}/{}  loss {train_loss:.digits$}  {error}  {speed:.0} images/s  \
                     ETA {eta:#}",
                    epoch + 1,
                    self.epochs
                ));
                if let Some(v) = validation {
                    self.validation = format!(" val {:.1} %", v.top1_error);
                }
            }
            Event::Drop { factor, .. } => {
                self.line(&format!(
                    "validation error stalled: all rates are now {factor:.0e} of the recipe's"
                ));
            }
            Event::Warning { message, .. } => self.line(&format!("warning: {message}")),
            Event::Change { key, from, to } => self.line(&format!("{key}: {to}, before {from}")),
            Event::Rollback { reason, epoch, step, factor } => {
                self.line(reason);
                self.line(&format!(
                    "back to epoch {}, step {}: all rates are now {factor:.0e} of the recipe's",
                    epoch + 1,
                    step + 1
                ));
            }
            Event::Stop { .. } | Event::Fail { .. } => self.bar.finish_and_clear(),
            Event::Convolution(_) | Event::Checkpoint { .. } | Event::Norms { .. } => {} // logged
            Event::Evaluated { .. } => self.bar.tick(),
            Event::End { .. } => self.bar.finish_and_clear(),
        }
    }
}
