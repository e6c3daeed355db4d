//! Reads a run's log: the lines that count.
//!
//! A run that was killed may have logged steps after its last checkpoint, and then makes them
//! again. Its next `start` line says from which epoch and step on it goes on, and from there on
//! earlier lines no longer count. A line that was cut off when the process ended is left out, and
//! so is an event that this version does not know.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::environment::Environment;
use crate::error::Error;
use crate::evaluate::score::Evaluation;
use crate::log::event::LayerNorms;
use crate::run::RunFolder;

/// The lines of a run's log that count, in their order.
///
/// It holds a few numbers of each step: for the 900,000 of a run on ImageNet, 50 MB.
///
/// ```
/// use alexnet_train::RunLog;
///
/// let log = r#"{"event":"step","epoch":0,"step":0,"loss":2.3,"rate":0.01,"images":8,
///  "seconds":0.5,"waited":0.1}"#.replace('\n', "");
/// let log = RunLog::parse(format!("{log}\n{{\"event\":\"st").as_bytes())?;
/// assert_eq!((log.steps.len(), log.steps[0].loss, log.unread), (1, 2.3, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunLog {
    /// One for each process that started or resumed the run.
    pub starts: Vec<LoggedStart>,
    /// The steps.
    pub steps: Vec<LoggedStep>,
    /// The epochs that ended.
    pub epochs: Vec<LoggedEpoch>,
    /// The checkpoints that were written.
    pub checkpoints: Vec<LoggedCheckpoint>,
    /// The norms of the layers, at the steps at which they were measured.
    pub norms: Vec<LoggedNorms>,
    /// What a person wants to know of: warnings, changes, rollbacks, drops of the rates, stops.
    pub notes: Vec<LoggedNote>,
    /// When the last line was written, in seconds since 1970; older logs do not say.
    pub last_time: Option<f64>,
    /// The end, where the run is complete.
    pub end: Option<LoggedEnd>,
    /// Why the run ended by its numbers, where it did and was not resumed since.
    pub failure: Option<LoggedFailure>,
    /// The number of lines that could not be read.
    pub unread: usize,
}

/// The beginning of a process that trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoggedStart {
    /// The number of weights and biases.
    pub parameters: u64,
    /// The number of training images.
    pub images: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// The epoch in which it goes on, 0 for a new run.
    pub epoch: usize,
    /// The step of that epoch at which it goes on.
    pub step: usize,
    /// The devices: `cpu`, `cuda:0`, `cuda:0,cuda:1`.
    pub device: String,
    /// The name that the maker gave the device.
    pub model: String,
    /// The precision: `f32`, `tf32`, `bf16`.
    pub precision: String,
    /// The program and the machine, which older logs do not say.
    #[serde(default)]
    pub environment: Option<Environment>,
}

/// An update.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct LoggedStep {
    /// The epoch, from 0.
    pub epoch: u32,
    /// The step within it, from 0.
    pub step: u32,
    /// The mean loss of its batch, before the update.
    pub loss: f32,
    /// The learning rate of the last layer's weights.
    pub rate: f32,
    /// The number of images in the batch.
    pub images: u32,
    /// The seconds of the step.
    pub seconds: f64,
    /// The seconds of these for which the loop waited for the loader.
    pub waited: f64,
}

/// The end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct LoggedEpoch {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The mean loss of its images, each before its update.
    pub train_loss: f64,
    /// The training images whose most probable class was wrong before their update, per cent, where
    /// the log says it.
    #[serde(default)]
    pub train_error: Option<f64>,
    /// The error rates on the validation images, if there are any, with the centre view.
    pub validation: Option<Evaluation>,
    /// Seconds since the process began the epoch, with validation.
    pub seconds: f64,
    /// The seconds of these for the validation, which older logs do not say.
    #[serde(default)]
    pub validation_seconds: Option<f64>,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct LoggedCheckpoint {
    /// The epoch of the next step, from 0.
    pub epoch: usize,
    /// The next step within it, from 0.
    pub step: usize,
    /// The size of the file.
    pub bytes: u64,
    /// The seconds until it was on the disk.
    pub seconds: f64,
    /// The seconds for which the loop waited.
    pub waited: f64,
    /// When the line was written, in seconds since 1970.
    #[serde(default)]
    pub time: Option<f64>,
}

/// How large the values of each layer were at a step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoggedNorms {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The step within it, from 0.
    pub step: usize,
    /// The layers that have weights, in the network's order.
    pub layers: Vec<LayerNorms>,
}

/// What a person would want to know of.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedNote {
    /// When it was written, in seconds since 1970.
    pub time: f64,
    /// What happened, in one line.
    pub text: String,
}

/// An end by numbers that are not as they should be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoggedFailure {
    /// What is not as it should be, and where.
    pub reason: String,
    /// The epoch, from 0.
    pub epoch: usize,
    /// The step within it, from 0.
    pub step: usize,
}

/// The end of the run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoggedEnd {
    /// The error rates on the validation images, if there are any, with one view and ten views.
    pub validation: Vec<Evaluation>,
    /// Seconds since the last process started or resumed the run.
    pub seconds: f64,
}

/// When a line was written.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    time: Option<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Start(Box<LoggedStart>),
    Step(LoggedStep),
    Epoch(LoggedEpoch),
    Checkpoint(LoggedCheckpoint),
    Norms(LoggedNorms),
    Warning {
        message: String,
    },
    Change {
        key: String,
        from: String,
        to: String,
    },
    Drop {
        epoch: usize,
        factor: f32,
    },
    Rollback {
        reason: String,
        factor: f32,
    },
    Stop {
        reason: String,
    },
    Fail(LoggedFailure),
    End(LoggedEnd),
    #[serde(other)]
    Other,
}

impl RunLog {
    /// Reads the log of a run. A run may be writing it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that cannot be read.
    pub fn read(run: &RunFolder) -> Result<Self, Error> {
        Self::read_file(&run.log())
    }

    fn read_file(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path))?;
        Self::parse(BufReader::new(file)).map_err(Error::io(path))
    }

    /// Reads a log.
    ///
    /// # Errors
    ///
    /// Those of the reader.
    pub fn parse(mut text: impl BufRead) -> std::io::Result<Self> {
        let (mut log, mut line) = (Self::default(), Vec::new());
        loop {
            line.clear();
            if text.read_until(b'\n', &mut line)? == 0 {
                return Ok(log);
            }
            if !line.trim_ascii().is_empty() {
                log.add(&line);
            }
        }
    }

    pub(crate) fn add(&mut self, line: &[u8]) {
        let written = serde_json::from_slice(line).ok().and_then(|Written { time }| time);
        self.last_time = written.or(self.last_time);
        let mut note = |text| {
            let time = written.unwrap_or_default();
            self.notes.push(LoggedNote { time, text });
        };
        match serde_json::from_slice(line) {
            Ok(Line::Start(start)) => {
                let LoggedStart { epoch, step, .. } = *start;
                let before = |s: &LoggedStep| (s.epoch as usize, s.step as usize) < (epoch, step);
                self.steps.retain(before);
                self.epochs.retain(|e| e.epoch < epoch);
                self.checkpoints.retain(|c| (c.epoch, c.step) <= (epoch, step));
                self.norms.retain(|n| (n.epoch, n.step) < (epoch, step));
                (self.end, self.failure) = (None, None);
                self.starts.push(*start);
            }
            Ok(Line::Step(step)) => self.steps.push(step),
            Ok(Line::Epoch(epoch)) => self.epochs.push(epoch),
            Ok(Line::Checkpoint(checkpoint)) => self.checkpoints.push(checkpoint),
            Ok(Line::Norms(norms)) => self.norms.push(norms),
            Ok(Line::Warning { message }) => note(message),
            Ok(Line::Change { key, from, to }) => note(format!("{key}: {to}, before {from}")),
            Ok(Line::Drop { epoch, factor }) => {
                note(format!(
                    "validation error stalled: rates × {factor:.0e} from epoch {}",
                    epoch + 1
                ));
            }
            Ok(Line::Rollback { reason, factor }) => {
                note(format!("{reason}; rates × {factor:.0e}"))
            }
            Ok(Line::Stop { reason }) => note(format!("stopped by {reason}")),
            Ok(Line::Fail(failure)) => {
                note(format!("ended: {}", failure.reason));
                self.failure = Some(failure);
            }
            Ok(Line::End(end)) => self.end = Some(end),
            Ok(Line::Other) => {}
            Err(_) => self.unread += 1,
        }
    }
}
