//! An experiment: several networks and recipes, each trained with several seeds on one dataset,
//! and compared.

pub(crate) mod arm;
pub(crate) mod bootstrap;
pub(crate) mod factor;
pub(crate) mod outcome;
pub(crate) mod recipe_patch;
mod run;
mod scores;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use alexnet_data::{Dataset, Views};
use alexnet_kernels::ComputeDevice;
use serde::Serialize;

use self::arm::Arm;
use self::outcome::Outcome;
use self::run::ArmRun;
use crate::error::Error;
use crate::log::event::Event;
use crate::path_json;
use crate::run::RunFolder;
use crate::train::stop::Stop;

/// Several networks and recipes, each trained with several seeds on one dataset, and compared on
/// its validation images.
///
/// The folder has a folder for each arm, and in that one for each seed, which is the run. What is
/// finished there is kept, and a run that was stopped goes on, when the same experiment is run
/// again.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The folder of all runs.
    pub folder: PathBuf,
    /// The dataset's folder.
    pub data: PathBuf,
    /// What is compared; the first is what the others are compared with.
    pub arms: Vec<Arm>,
    /// The seeds with which each arm is trained.
    pub seeds: Vec<u64>,
    /// The split on which they are compared.
    pub split: String,
    /// The views of each of its images.
    pub views: Views,
    /// How many runs are trained at the same time. The results do not depend on it.
    pub jobs: usize,
    /// How many threads compute for all of them together.
    pub threads: usize,
    /// One device, or one for each tower.
    pub devices: Vec<ComputeDevice>,
    /// Who may ask the experiment to stop. Runs that are under way are saved.
    pub stop: Stop,
}

/// A run of an experiment, and what happened in it.
#[derive(Debug, Clone, Copy)]
pub struct ExperimentEvent<'a> {
    /// The arm.
    pub arm: &'a Arm,
    /// The seed.
    pub seed: u64,
    /// The runs that are complete.
    pub done: usize,
    /// All runs.
    pub runs: usize,
    /// What happened.
    pub progress: ArmProgress<'a>,
}

/// What happened in a run of an experiment.
#[derive(Debug, Clone, Copy)]
pub enum ArmProgress<'a> {
    /// Its training.
    Training(&'a Event),
    /// It is complete.
    Complete,
    /// It diverged, and will not be complete.
    Diverged(&'a Error),
}

impl Experiment {
    /// Trains what is not trained yet, and compares. `on_event` is called from several threads.
    ///
    /// # Errors
    ///
    /// What [`train`](crate::train()) and [`evaluate`](crate::evaluate()) refuse;
    /// [`Error::OtherExperiment`] for a folder with runs of another network, recipe or dataset;
    /// [`Error::Stopped`] where it is asked to stop. A run that diverges is no error: its arm has
    /// one seed less.
    pub fn run(&self, on_event: &(dyn Fn(&ExperimentEvent<'_>) + Sync)) -> Result<Outcome, Error> {
        let data = Dataset::open(&self.data)?;
        // All arms of a seed come before the next seed: a table that is not complete has all arms.
        let runs = self.seeds.iter().flat_map(|seed| self.arms.iter().map(move |arm| (arm, *seed)));
        let runs: Vec<ArmRun<'_>> =
            runs.map(|(arm, seed)| ArmRun { experiment: self, arm, seed }).collect();
        for run in &runs {
            run.check(&data)?;
        }
        let queue = Mutex::new(runs.iter().enumerate().collect::<VecDeque<_>>());
        let results = Mutex::new((0, runs.iter().map(|_| None).collect::<Vec<_>>()));
        let work = || -> Result<(), Error> {
            loop {
                let next = lock(&queue).pop_front();
                let Some((index, run)) = next else { return Ok(()) };
                let tell = |progress: ArmProgress<'_>| {
                    let (arm, seed, done) = (run.arm, run.seed, lock(&results).0);
                    on_event(&ExperimentEvent { arm, seed, done, runs: runs.len(), progress });
                };
                let scores = match run.complete(&data, &mut |e| tell(ArmProgress::Training(e))) {
                    Ok(scores) => Some(scores),
                    Err(error @ (Error::Diverged { .. } | Error::Outputs)) => {
                        lock(&results).0 += 1;
                        tell(ArmProgress::Diverged(&error));
                        continue;
                    }
                    Err(error) => {
                        lock(&queue).clear(); // what is under way is completed, and nothing begun
                        return Err(error);
                    }
                };
                let mut held = lock(&results);
                (held.0, held.1[index]) = (held.0 + 1, scores);
                drop(held);
                tell(ArmProgress::Complete);
            }
        };
        let jobs = self.jobs.clamp(1, runs.len().max(1));
        let threads = (self.threads / jobs).max(1);
        std::thread::scope(|scope| {
            let in_pool = || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.map_err(|e| Error::Threads(e.to_string()))?.install(work)
            };
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(in_pool)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let scores = results.into_inner().unwrap_or_else(PoisonError::into_inner).1;
        let classes = data.manifest().classes.len();
        Ok(Outcome::new(&self.arms, &self.seeds, classes, &scores))
    }

    /// The folder of the run of `arm` with `seed`.
    pub fn run_folder(&self, arm: &Arm, seed: u64) -> RunFolder {
        RunFolder::new(&self.folder.join(&arm.name).join(format!("seed-{seed}")))
    }

    /// Opens the dataset and checks every run of the experiment, and writes nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), before the first training.
    pub fn check(&self) -> Result<Vec<PlannedRun>, Error> {
        let data = Dataset::open(&self.data)?;
        let runs = self.seeds.iter().flat_map(|seed| self.arms.iter().map(move |arm| (arm, *seed)));
        runs.map(|(arm, seed)| ArmRun { experiment: self, arm, seed }.check(&data)).collect()
    }
}

/// A run that an experiment would make.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRun {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// The folder.
    #[serde(serialize_with = "path_json::serialize")]
    pub folder: PathBuf,
    /// What of it is there.
    pub state: RunState,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds of all forward and backward passes.
    pub multiply_adds: u64,
    /// All updates.
    pub steps: usize,
}

/// What of a run is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Nothing.
    New,
    /// It was begun.
    Begun,
    /// It is trained.
    Trained,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
