//! The runs of an experiment on the terminal: a bar for all, and a line for each that is complete.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use alexnet_train::{ArmProgress, Event, Experiment, ExperimentEvent};
use indicatif::ProgressBar;

use crate::output::tell;
use crate::progress::bar;

pub(super) struct Screen {
    bar: ProgressBar,
    quiet: bool,
    /// The images that each run has trained on, of those it will.
    images: Mutex<BTreeMap<(String, u64), [u64; 2]>>,
}

impl Screen {
    pub(super) fn new(experiment: &Experiment, quiet: bool) -> Self {
        let runs = experiment.arms.len() * experiment.seeds.len();
        let bar = bar(&format!("0 of {runs} runs"), 0);
        Self { bar, quiet, images: Mutex::default() }
    }

    pub(super) fn show(&self, event: &ExperimentEvent<'_>) {
        let ExperimentEvent { arm, seed, done, runs, progress } = event;
        let name = format!("{} seed {seed}", arm.name);
        match progress {
            ArmProgress::Training(event) => {
                self.count((arm.name.clone(), *seed), *runs, event);
                if let Event::End { validation, seconds, .. } = event {
                    let error = validation.last().map_or(String::new(), |score| {
                        format!(": top-1 error {:.2} %, {} views", score.top1_error, score.views)
                    });
                    self.line(&format!("{name} trained in {seconds:.0} s{error}"));
                }
            }
            ArmProgress::Complete => self.bar.set_message(format!("{done} of {runs} runs")),
            ArmProgress::Diverged(error) => self.line(&format!("{name} diverged: {error}")),
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn count(&self, run: (String, u64), runs: usize, event: &Event) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Start { images: each, epochs, epoch, .. } => {
                images.insert(run, [each * epoch, each * epochs].map(|n| n as u64));
                // Those that have not begun are taken to be as long as those that have.
                let all: u64 = images.values().map(|[_, all]| all).sum();
                self.bar.set_length(all / images.len() as u64 * runs as u64);
            }
            Event::Step { images: more, .. } => {
                if let Some([done, _]) = images.get_mut(&run) {
                    *done += *more as u64;
                }
                self.bar.set_position(images.values().map(|[done, _]| done).sum());
            }
            _ => {}
        }
    }

    fn line(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| tell(line));
        }
    }
}
