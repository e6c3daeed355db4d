//! A run tried out before it begins: everything is opened, a few steps are done in memory, and
//! nothing is written.

use std::time::Instant;

use alexnet_data::{Dataset, Views};
use alexnet_kernels::{ComputeDevice, PoolGuard};
use alexnet_model::Mode;
use serde::Serialize;

use crate::error::Error;
use crate::evaluate::evaluate_until;
use crate::input::InputStage;
use crate::memory;
use crate::recipe::rates::step_rates;
use crate::recipe::schedule::Moment;
use crate::system::{available_memory, peak_memory};
use crate::train::device_batches::DeviceBatches;
use crate::train::disk::DiskNeeds;
use crate::train::ending::LAST_EVALUATION;
use crate::train::finite::check_outputs;
use crate::train::guard::Guard;
use crate::train::job::{Job, SetUp, Task};
use crate::train::prefetch::prefetch;
use crate::train::setup::{Setup, State};
use crate::train::step::train_step;

/// Steps that are done, the first of which is not timed: it fills caches, and a GPU chooses its
/// algorithms in it.
const STEPS: usize = 3;

/// What a run would take, as far as a few steps and a batch of its validation say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DryRun {
    /// The network's name.
    pub network: String,
    /// The recipe's name.
    pub recipe: String,
    /// The number of weights and biases.
    pub parameters: u64,
    /// Training images.
    pub images: usize,
    /// Classes.
    pub classes: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Steps that are left: all, but of a run that is resumed.
    pub steps_left: usize,
    /// The seconds of a step, with its wait for the images; `None` where no step is left.
    pub step_seconds: Option<f64>,
    /// For how many of them the step waits for its images.
    pub waited_seconds: f64,
    /// The seconds of a validation with one view, if there are validation images.
    pub validation_seconds: Option<f64>,
    /// The most bytes of memory that the process has at one time, where the system says.
    pub memory: Option<u64>,
    /// The bytes that it could have, where the system says.
    pub available_memory: Option<u64>,
    /// The same of each GPU: what is used and what there is.
    pub gpu_memory: Vec<(u64, u64)>,
    /// What the run writes.
    pub disk: DiskNeeds,
    /// What is not as it should be, but does not keep the run from its work.
    pub warnings: Vec<String>,
}

impl DryRun {
    /// The seconds that the run, or what is left of it, takes.
    pub fn seconds(&self) -> f64 {
        let validations = self.steps_left.div_ceil(self.steps_per_epoch.max(1)) as f64;
        self.steps_left as f64 * self.step_seconds.unwrap_or_default()
            + (validations + LAST_EVALUATION) * self.validation_seconds.unwrap_or_default()
    }
}

/// Tries a job out: opens all that it reads, does steps and a batch of its validation in memory,
/// and says what the run would take. Nothing is written.
///
/// # Errors
///
/// All that would end the run at its beginning: data, a checkpoint or a recipe that is wrong; a
/// batch that does not fit into memory; a folder in which there is a run already, in which another
/// process is at work, or into which nothing can be written; numbers that are not finite.
///
/// # Example
///
/// ```no_run
/// use std::path::Path;
/// use alexnet_train::{ComputeDevice, Job, RunFolder, Task, dry_run};
///
/// let (data, run) = (Path::new("data/imagenet"), RunFolder::new(Path::new("runs/a")));
/// let job = Job::new(data, run, Task::resume(None), vec![ComputeDevice::cpu()]);
/// println!("{:.1} hours are left", dry_run(&job)?.seconds() / 3600.0);
/// # Ok::<(), alexnet_train::Error>(())
/// ```
pub fn dry_run(job: &Job) -> Result<DryRun, Error> {
    let available_memory = available_memory();
    let data = Dataset::open(&job.data)?;
    job.run.check(matches!(job.task, Task::Start { .. }))?;
    let SetUp { config, resumed, damaged, .. } = job.plan(&data)?;
    let setup = Setup::new(job, &data, config)?;
    let state = State::new(&setup, resumed)?;
    let inputs = setup.inputs(&state.network)?;
    let _memory = PoolGuard::new(); // as in the training loop
    let recipe = &setup.config.recipe;
    let times = time_steps(&setup, &inputs, &state)
        .map_err(|e| memory::explain(e, &state.network, recipe.batch, &job.devices))?;
    let validation_seconds = time_validation(&setup, &inputs, &state)?;
    let disk = DiskNeeds::of(&setup, &state);
    let mut warnings: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    warnings.extend(disk.warning(&job.run));
    // A checkpoint is written of a copy of the weights and velocities.
    let memory = peak_memory().map(|peak| peak + disk.checkpoint);
    if let (Some(memory), Some(available)) = (memory, available_memory)
        && memory > available
    {
        let [memory, available] = [memory, available].map(|bytes| bytes as f64 / 1e9);
        warnings.push(format!(
            "the run takes {memory:.2} GB of memory, and {available:.2} GB are free: a smaller \
             batch takes less"
        ));
    }
    let gpu = |compute: &ComputeDevice| Some((compute.peak_memory()?, compute.memory()?.total));
    let left = setup.steps_left(&state.at);
    Ok(DryRun {
        network: setup.config.network.name.clone(),
        recipe: recipe.name.clone(),
        parameters: state.network.parameters().map(|p| p.tensor.elem_count() as u64).sum(),
        images: setup.training.len(),
        classes: data.manifest().classes.len(),
        epochs: recipe.epochs,
        steps_per_epoch: setup.steps,
        steps_left: (left.end - left.start) as usize,
        step_seconds: times.map(|[seconds, _]| seconds),
        waited_seconds: times.map_or(0.0, |[_, waited]| waited),
        validation_seconds,
        memory,
        available_memory,
        gpu_memory: job.devices.iter().filter_map(gpu).collect(),
        disk,
        warnings,
    })
}

/// The mean seconds of a step, and for how many of them it waits for the loader.
fn time_steps(
    setup: &Setup<'_>,
    inputs: &[InputStage],
    state: &State,
) -> Result<Option<[f64; 2]>, Error> {
    let (job, recipe, State { network, optimizer, at }) = (setup.job, &setup.config.recipe, state);
    let left = setup.steps_left(at); // loader threads are as busy as in the run
    let fill = |step, batch: &mut _| setup.fill(step, batch);
    prefetch(job.loader_threads, left.clone(), fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, inputs)?;
        let mut times = Vec::new();
        for step in left.take(STEPS) {
            let began = Instant::now();
            let step = step as usize;
            let moment = Moment { epoch: step / setup.steps, step };
            let place = (moment.epoch, step % setup.steps);
            let rates = step_rates(recipe, at.rate_factor(), moment, setup.steps, network);
            let mode = Mode::Train { seed: setup.config.seed, step: step as u64 };
            let (batch, waited) = batches.next()?;
            let images = batches.images(&batch, recipe.divisor(moment))?; // (B, 3, h, w), each
            let labels = &batch[0].labels;
            let (logits, results) = train_step(network, optimizer, &rates, &images, labels, mode)?;
            Guard::before_update(&results, network, &images, place)?;
            check_outputs(&logits, place)?;
            drop(images);
            batches.release(batch)?;
            job.devices.iter().try_for_each(ComputeDevice::wait)?;
            times.push([began.elapsed().as_secs_f64(), waited]);
        }
        let timed = if times.len() > 1 { &times[1..] } else { &times };
        let mean = |which: usize| timed.iter().map(|t| t[which]).sum::<f64>() / timed.len() as f64;
        Ok((!timed.is_empty()).then(|| [mean(0), mean(1)]))
    })
}

/// The seconds of a validation, by its second batch: or, where it has no second one, by its first.
fn time_validation(
    setup: &Setup<'_>,
    inputs: &[InputStage],
    state: &State,
) -> Result<Option<f64>, Error> {
    let Some(split) = setup.validation else { return Ok(None) };
    let (mut began, mut first, mut seconds) = (Instant::now(), 0, 0.0);
    let threads = setup.job.loader_threads;
    let ended = evaluate_until(&state.network, split, inputs, Views::One, threads, &mut |images| {
        let share = split.len() as f64 / (images - first).max(1) as f64;
        seconds = share * began.elapsed().as_secs_f64();
        let is_second = first > 0;
        (began, first) = (Instant::now(), images);
        if is_second { Err(Error::Stopped) } else { Ok(()) }
    });
    match ended {
        Ok(_) | Err(Error::Stopped) => Ok(Some(seconds)),
        Err(error) => Err(error),
    }
}
