//! The training loop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use alexnet_data::{Dataset, Plan, Split, Views};
use alexnet_kernels::{ComputeDevice, PoolGuard, cross_entropy_with_grad};
use alexnet_model::{Mode, Network, NetworkSpec};
use candle_core::{DType, Device};

use crate::checkpoint::{Context, save};
use crate::feed::Feed;
use crate::input::{handles, mean_image, names};
use crate::memory;
use crate::optimizer::{headline_rate, parameter_count, step_rates};
use crate::pending::Pending;
use crate::prefetch::prefetch;
use crate::run::{Log, data_checksum};
use crate::schedule::Verdict;
use crate::{
    Checkpoint, Error, Evaluation, Event, InputStage, Optimizer, Progress, Recipe, RunConfig,
    RunFolder, evaluate,
};

/// A training job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The dataset's folder.
    pub data: PathBuf,
    /// The run's folder.
    pub run: RunFolder,
    /// What to do.
    pub task: Task,
    /// Threads that make batches.
    pub loader_threads: usize,
    /// How long a run may go without a checkpoint; one is written after every epoch anyhow.
    pub checkpoint_every: Duration,
    /// Where to compute, and how precisely: one device, or one for each of the network's towers.
    pub devices: Vec<ComputeDevice>,
}

/// What to do in the run's folder.
#[derive(Debug, Clone)]
pub enum Task {
    /// Start a run.
    Start {
        /// Every number.
        recipe: Box<Recipe>,
        /// The network; its outputs become the dataset's classes.
        network: Box<NetworkSpec>,
        /// Every draw follows from it.
        seed: u64,
    },
    /// Go on with the run that is there, perhaps for another number of epochs.
    Resume {
        /// Epochs of the whole run, when it is not to be what it was.
        epochs: Option<usize>,
    },
}

/// Trains: sets up or goes on with a run, and sees it through to its final weights and error rates.
/// `watch` hears of every event.
///
/// # Errors
///
/// Data that cannot be read, a run that is already there or not there, files that cannot be written,
/// a loss that is no number.
pub fn train(job: &Job, watch: &mut dyn FnMut(&Event)) -> Result<Vec<Evaluation>, Error> {
    let began = Instant::now();
    let data = Dataset::open(&job.data)?;
    let (config, resumed) = prepare(job, &data)?;
    let RunConfig { seed, recipe, .. } = &config;
    let (first, velocities, mut at) = match resumed {
        Some(c) => (c.network()?, c.velocities(), c.progress.unwrap_or(Progress::START)),
        None => {
            let network = Network::new(&config.network, *seed, &Device::Cpu)?;
            (network, Default::default(), Progress::START)
        }
    };
    let (devices, compute) = (&job.devices, &job.devices[0]); // `prepare` saw that there is one
    let mut network = first.to_devices(&handles(devices), DType::F32)?;
    let optimizer = Optimizer::new(&mut network, &velocities, compute.weights())?;
    drop((first, velocities)); // the optimizer has copied them

    let (training, validation) = (data.split("train")?, data.split("val").ok());
    let stored = [training.height(), training.width()];
    let [_, h, w] = config.network.input;
    let statistics = &data.manifest().statistics;
    let input =
        |compute| InputStage::new(&recipe.input, &statistics.mean_image, stored, [h, w], compute);
    let inputs = devices.iter().map(input).collect::<candle_core::Result<Vec<_>>>()?;
    let plan = |color| {
        let augmentation = recipe.augmentation([h, w], color);
        Plan::new(training.len(), recipe.batch, recipe.order, *seed, augmentation)
    };
    let plans = [plan(false)?, plan(true)?];
    let steps = plans[0].steps_per_epoch();
    let classes: Vec<String> = data.manifest().classes.iter().map(|c| c.name.clone()).collect();
    let mean_image = mean_image(statistics, stored)?;
    let context = Context { recipe, classes: &classes, mean_image: &mean_image };
    let _memory = PoolGuard::new(); // each step uses what the one before has given back
    let mut out = Telling { watch, log: Log::open(&job.run)? };
    out.tell(Event::Start {
        network: config.network.name.clone(),
        recipe: recipe.name.clone(),
        seed: *seed,
        parameters: parameter_count(&network),
        classes: classes.len(),
        images: training.len(),
        epochs: recipe.epochs,
        steps_per_epoch: steps,
        epoch: at.epoch,
        step: at.step,
        device: names(devices),
        model: compute.model(),
        precision: compute.options().precision.to_string(),
    })?;

    if devices.len() > 1 {
        let crossings = network.gathering_layers().into_iter().map(str::to_owned).collect();
        let route = network.route().to_string();
        out.tell(Event::Split { devices: devices.len(), crossings, route })?;
    }

    let jobs = (at.epoch * steps + at.step) as u64..(recipe.epochs.max(at.epoch) * steps) as u64;
    let fill = |job: u64, batch: &mut alexnet_data::Batch| {
        let (epoch, step) = (job as usize / steps, job as usize % steps);
        let plan = &plans[usize::from(recipe.schedule.color(epoch))];
        Ok(plan.fill(training, statistics, epoch, step, batch)?)
    };
    let trained = prefetch(job.loader_threads, jobs, fill, |batches| -> Result<(), Error> {
        let (mut feed, mut pending) =
            (Feed::new(batches, &inputs)?, Pending::new(compute.is_async()));
        let mut saved = Instant::now();
        while at.epoch < recipe.epochs {
            let epoch_began = Instant::now();
            let rates = step_rates(recipe, &at.plateau, at.epoch, &network);
            let rate = headline_rate(&rates, &network);
            let noise = recipe.augmentation.color.filter(|_| recipe.schedule.color(at.epoch));
            let divisor = noise.map_or(1.0, |noise| noise.divisor);

            pending.restart_clock();
            while at.step < steps {
                let batch = feed.next()?;
                let images = batch.images(&inputs, divisor)?; // (B, 3, h, w) for each tower

                let update = (at.epoch * steps + at.step) as u64;
                let tape =
                    network.forward_tape(&images[..], Mode::Train { seed: *seed, step: update })?;
                let (losses, gradient) = cross_entropy_with_grad(tape.logits(), batch.labels())?;
                network.backward(tape, gradient, &mut |parameter, gradient| {
                    optimizer.update(parameter, gradient, &rates)
                })?;

                drop(images);
                let (step, waited) = (at.step, batch.waited);
                feed.done(batch)?; // a card works on this step while the next batch is sent
                at.step += 1;
                let save_now = at.step < steps && saved.elapsed() >= job.checkpoint_every;
                if pending.add(step, losses, waited) || save_now || at.step == steps {
                    pending.look(&mut at, rate, &mut |event| out.tell(event))?;
                }
                if save_now {
                    save(&job.run.checkpoint(), (&network, &optimizer), context, Some(&at))?;
                    saved = Instant::now();
                    pending.restart_clock();
                }
            }

            let score = match validation {
                Some(split) => {
                    Some(out.evaluate(&network, split, &inputs, Views::One, job.loader_threads)?)
                }
                None => None,
            };
            let verdict =
                score.map_or(Verdict::GoOn, |s| at.plateau.see(&recipe.schedule, s.top1_error));
            out.tell(Event::Epoch {
                epoch: at.epoch,
                train_loss: at.loss / at.images as f64,
                rate,
                validation: score,
                seconds: epoch_began.elapsed().as_secs_f64(),
            })?;
            at = Progress { epoch: at.epoch + 1, plateau: at.plateau, ..Progress::START };
            if verdict == Verdict::Dropped {
                out.tell(Event::Drop { epoch: at.epoch, factor: at.plateau.factor })?;
            }
            if verdict == Verdict::Stop {
                at.epoch = recipe.epochs;
            }
            save(&job.run.checkpoint(), (&network, &optimizer), context, Some(&at))?;
            saved = Instant::now();
        }
        Ok(())
    });
    trained.map_err(|error| memory::explain(error, &network, recipe.batch, devices))?;

    save(&job.run.weights(), (&network, &optimizer), context, None)?;
    let mut scores = Vec::new();
    if let Some(split) = validation {
        for views in [Views::One, Views::Ten] {
            scores.push(out.evaluate(&network, split, &inputs, views, job.loader_threads)?);
        }
    }
    job.run.write_json(&job.run.report(), &scores)?;
    let seconds = began.elapsed().as_secs_f64();
    out.tell(Event::End { weights: job.run.weights(), validation: scores.clone(), seconds })?;
    Ok(scores)
}

/// What the run is to do and, when it goes on, where it stood; a new run's folder is made.
fn prepare(job: &Job, data: &Dataset) -> Result<(RunConfig, Option<Checkpoint>), Error> {
    let (config, resumed) = match &job.task {
        Task::Start { recipe, network, seed } => {
            let network = network.as_ref().clone().with_classes(data.manifest().classes.len());
            let recipe = recipe.as_ref().clone();
            let data_checksum = data_checksum(data)?;
            // Whole, so that the run can be resumed from another folder.
            let data = std::path::absolute(&job.data).map_err(Error::io(&job.data))?;
            (RunConfig { data, data_checksum, seed: *seed, recipe, network }, None)
        }
        Task::Resume { epochs } => {
            let mut config = job.run.config()?;
            config.recipe.epochs = epochs.unwrap_or(config.recipe.epochs);
            if config.data_checksum != data_checksum(data)? {
                return Err(Error::OtherDataset {
                    run: job.run.path().to_owned(),
                    data: job.data.clone(),
                });
            }
            // A run that ended before its first checkpoint begins again.
            let path = job.run.checkpoint();
            let checkpoint = path.exists().then(|| Checkpoint::load(&path)).transpose()?;
            let done = checkpoint.as_ref().and_then(|c| c.progress).map_or(0, |p| p.epoch);
            if done > config.recipe.epochs {
                let message =
                    format!("epochs = {}, but {done} are done already", config.recipe.epochs);
                return Err(Error::Recipe {
                    origin: job.run.path().display().to_string(),
                    message,
                });
            }
            (config, checkpoint)
        }
    };
    let names: Vec<&str> = config.network.layers.iter().map(|l| l.name.as_str()).collect();
    config.recipe.check_layers(&names)?;
    let towers = config.network.fused_layers_on(job.devices.len())?;
    let (crop, stored) = (config.network.input, [data.manifest().height, data.manifest().width]);
    if crop[1] > stored[0] || crop[2] > stored[1] {
        let (network, crop) = (config.network.name, [crop[1], crop[2]]);
        return Err(Error::ImagesTooSmall { network, crop, data: job.data.clone(), stored });
    }
    memory::check(&towers, config.recipe.batch, &job.devices)?; // before there is a folder to be in the way
    match job.task {
        Task::Start { .. } => job.run.create(&config)?,
        Task::Resume { .. } => job.run.update(&config)?, // it may have been given more epochs
    }
    Ok((config, resumed))
}

/// Where events go: the log and whoever watches.
struct Telling<'a> {
    watch: &'a mut dyn FnMut(&Event),
    log: Log,
}

impl Telling<'_> {
    fn tell(&mut self, event: Event) -> Result<(), Error> {
        (self.watch)(&event);
        self.log.add(&event)
    }

    /// Evaluates, telling only who watches how far it is.
    fn evaluate(
        &mut self,
        network: &Network,
        split: &Split,
        inputs: &[InputStage],
        views: Views,
        loader_threads: usize,
    ) -> Result<Evaluation, Error> {
        let mut progress = |images| (self.watch)(&Event::Evaluated { images });
        evaluate(network, split, inputs, views, loader_threads, &mut progress)
    }
}
