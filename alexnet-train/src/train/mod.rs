//! The training loop.

pub(crate) mod device_batches;
pub(crate) mod finite;
pub(crate) mod job;
pub(crate) mod optimizer;
pub(crate) mod pending;
pub(crate) mod prefetch;
pub(crate) mod pretrained;

use std::time::Instant;

use alexnet_data::{Batch, Dataset, Plan, Split, Views};
use alexnet_kernels::{PoolGuard, cross_entropy_with_guesses};
use alexnet_model::Mode;
use candle_core::{DType, Device, Tensor};

use crate::checkpoint::CheckpointWriter;
use crate::checkpoint::progress::Progress;
use crate::choices;
use crate::devices::{candle_devices, names};
use crate::environment::Environment;
use crate::error::Error;
use crate::evaluate::check::class_names;
use crate::evaluate::evaluate;
use crate::evaluate::score::Evaluation;
use crate::input::InputStage;
use crate::log::event::{Event, EventSink};
use crate::memory;
use crate::recipe::rates::{frozen_layers, headline_rate, step_rates};
use crate::recipe::schedule::{Moment, Verdict};
use crate::run::{RunConfig, write_json};
use crate::train::device_batches::DeviceBatches;
use crate::train::finite::{check_outputs, diverged};
use crate::train::job::{Job, SetUp};
use crate::train::optimizer::Optimizer;
use crate::train::pending::{PendingLosses, PendingStep};
use crate::train::prefetch::prefetch;
use crate::train::pretrained::first_network;

/// Trains: starts or resumes a run and completes it, with final weights and error rates. `on_event`
/// is called with every event.
///
/// # Errors
///
/// Data that cannot be read; a run that exists already, does not exist, or in whose folder another
/// process is at work; files that cannot be written; a loss, an output or a weight that is not
/// finite, which is never saved.
pub fn train(job: &Job, on_event: &mut dyn FnMut(&Event)) -> Result<Vec<Evaluation>, Error> {
    let began = Instant::now();
    let data = Dataset::open(&job.data)?;
    let SetUp { config, resumed, lock: _lock } = job.set_up(&data)?;
    let RunConfig { seed, recipe, .. } = &config;
    let (first, velocities, mut at) = match resumed {
        Some(c) => (c.network()?, c.velocities(), c.progress.unwrap_or(Progress::START)),
        None => {
            let network = first_network(&config.network, *seed, config.pretrained.as_deref())?;
            (network, Default::default(), Progress::START)
        }
    };
    let (devices, compute) = (&job.devices, &job.devices[0]); // `set_up` refuses an empty list
    let mut network = first.to_devices(&candle_devices(devices), DType::F32)?;
    let optimizer = Optimizer::new(&mut network, &velocities, compute.activations())?;
    drop((first, velocities)); // the optimizer has copied them

    let (training, validation) = (data.split("train")?, data.split("val").ok());
    let stored = [training.height(), training.width()];
    let [_, h, w] = config.network.input;
    let statistics = &config.statistics_of(&data)?;
    let blocks = network.image_blocks()?;
    let input = |compute| {
        let stage = InputStage::new(&recipe.input, &statistics.mean_image, stored, [h, w], compute);
        stage.map(|stage| stage.in_blocks(blocks))
    };
    let inputs = devices.iter().map(input).collect::<candle_core::Result<Vec<_>>>()?;
    let plan = |with_noise| {
        let augmentation = recipe.augmentation([h, w], with_noise);
        Plan::new(training.len(), recipe.batch, recipe.order, *seed, augmentation)
    };
    let plans = [plan(false)?, plan(true)?];
    let steps = plans[0].steps_per_epoch();
    let classes = class_names(&data);
    let mean_image =
        Tensor::from_slice(&statistics.mean_image, (stored[0], stored[1], 3), &Device::Cpu)?;
    let preprocessing = data.manifest().preprocessing();
    let checkpoints =
        CheckpointWriter { recipe, classes: &classes, preprocessing, mean_image: &mean_image };
    let _memory = PoolGuard::new(); // each step reuses the buffers of the previous one
    let mut events = EventSink::open(job.run.log(), on_event)?;
    events.emit(Event::Start {
        network: config.network.name.clone(),
        recipe: recipe.name.clone(),
        seed: *seed,
        parameters: network.parameters().map(|p| p.tensor.elem_count() as u64).sum(),
        classes: classes.len(),
        images: training.len(),
        epochs: recipe.epochs,
        steps_per_epoch: steps,
        epoch: at.epoch,
        step: at.step,
        device: names(devices),
        model: compute.model(),
        precision: compute.options().precision.to_string(),
        environment: Box::new(Environment::here(job.loader_threads)),
        pretrained: config.pretrained.clone(),
    })?;
    if devices.len() > 1 {
        let crossings = network.gathering_layers().into_iter().map(str::to_owned).collect();
        let route = network.route().to_string();
        events.emit(Event::Split { devices: devices.len(), crossings, route })?;
    }

    // The last step that was done; that of a run that is resumed was saved, so it was good.
    let mut last = (at.epoch, at.step);
    let validate = |split: &Split, views, last, events: &mut EventSink<'_>| {
        let threads = job.loader_threads;
        evaluate(&network, split, &inputs, views, threads, &mut events.evaluated()).map_err(
            |error| match error {
                Error::Outputs => diverged("an output for a validation image", f32::NAN, last),
                error => error,
            },
        )
    };
    let jobs = (at.epoch * steps + at.step) as u64..(recipe.epochs.max(at.epoch) * steps) as u64;
    let fill = |job: u64, batch: &mut Batch| {
        let (epoch, step) = (job as usize / steps, job as usize % steps);
        let moment = Moment { epoch, step: job as usize };
        let plan = &plans[usize::from(recipe.schedule.has_color_noise(moment))];
        Ok(plan.fill(training, statistics, epoch, step, batch)?)
    };
    let trained = prefetch(job.loader_threads, jobs, fill, |loaded| -> Result<(), Error> {
        let mut batches = DeviceBatches::new(loaded, &inputs)?;
        let mut pending = PendingLosses::new(compute.is_async());
        let mut saved = Instant::now();
        let mut choices = 0; // of the device's, so many are in the log
        while at.epoch < recipe.epochs {
            let epoch_began = Instant::now();
            let mut rate = 0.0;
            pending.restart_clock();
            while at.step < steps {
                let (batch, waited) = batches.next()?; // the whole batch on each device
                let moment = Moment { epoch: at.epoch, step: at.epoch * steps + at.step };
                let divisor = recipe.divisor(moment);
                let images = batches.images(&batch, divisor)?; // (B, 3, h, w) on each device

                let rates = step_rates(recipe, &at.plateau, moment, &network);
                rate = headline_rate(&rates, &network);
                let mode = Mode::Train { seed: *seed, step: moment.step as u64 };
                let frozen = frozen_layers(&rates, &network);
                // Its logits are (B, classes).
                let tape = network.forward_tape(&images[..], mode, frozen)?;
                // Losses and what is right, (2, B), and the gradient of the mean loss, (B, classes)
                let (results, gradient) =
                    cross_entropy_with_guesses(tape.logits(), &batch[0].labels)?;
                network.backward(tape, gradient, &mut |parameter, gradient| {
                    optimizer.update(parameter, gradient, &rates)
                })?;

                last = (at.epoch, at.step);
                at.step += 1;
                let save_now = at.step == steps || saved.elapsed() >= job.checkpoint_every;
                // What is saved has to be good, so the updated network sees the batch once more.
                let outputs = save_now.then(|| network.forward(&images[..], Mode::Test));
                drop(images);
                batches.release(batch)?; // the next batch is sent while a GPU works on this step
                if pending.add(PendingStep { step: last.1, results, rate, waited }) || save_now {
                    for choice in choices::since(compute, choices) {
                        choices += 1;
                        events.emit(Event::Convolution(choice))?;
                    }
                    pending.drain(&mut at, &mut |event| events.emit(event))?;
                }
                if let Some(outputs) = outputs {
                    check_outputs(&outputs?, last)?;
                }
                if save_now && at.step < steps {
                    let path = job.run.checkpoint();
                    checkpoints.save(&path, &network, &optimizer, Some(&at), last)?;
                    saved = Instant::now();
                    pending.restart_clock();
                }
            }

            let validation_began = Instant::now();
            let score = validation.map(|split| validate(split, Views::One, last, &mut events));
            let score = score.transpose()?;
            let validation_seconds = validation_began.elapsed().as_secs_f64();
            let verdict = score.map_or(Verdict::Continue, |score: Evaluation| {
                at.plateau.observe(&recipe.schedule, score.top1_error)
            });
            let ended = Event::Epoch {
                epoch: at.epoch,
                train_loss: at.loss / at.images as f64,
                train_error: 100.0 * (at.images as f64 - at.right) / at.images as f64,
                rate,
                validation: score,
                seconds: epoch_began.elapsed().as_secs_f64(),
                validation_seconds,
            };
            at = Progress { epoch: at.epoch + 1, plateau: at.plateau, ..Progress::START };
            let lowered = Event::Drop { epoch: at.epoch, factor: at.plateau.factor };
            if verdict == Verdict::Stop {
                at.epoch = recipe.epochs;
            }
            checkpoints.save(&job.run.checkpoint(), &network, &optimizer, Some(&at), last)?;
            saved = Instant::now();
            // Told when it is saved: whoever hears of it may end this process.
            events.emit(ended)?;
            if verdict == Verdict::LowerRates {
                events.emit(lowered)?;
            }
        }
        Ok(())
    });
    trained.map_err(|error| memory::explain(error, &network, recipe.batch, devices))?;

    let mut scores = Vec::new();
    if let Some(split) = validation {
        scores.push(validate(split, Views::One, last, &mut events)?);
        scores.push(validate(split, Views::Ten, last, &mut events)?);
    }
    checkpoints.save(&job.run.weights(), &network, &optimizer, None, last)?;
    write_json(&job.run.report(), &scores)?;
    let seconds = began.elapsed().as_secs_f64();
    events.emit(Event::End { weights: job.run.weights(), validation: scores.clone(), seconds })?;
    Ok(scores)
}
