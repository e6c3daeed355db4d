//! The training loop.

pub(crate) mod checkpoint_every;
pub(crate) mod device_batches;
pub(crate) mod disk;
pub(crate) mod dry_run;
pub(crate) mod ending;
pub(crate) mod finite;
pub(crate) mod guard;
pub(crate) mod job;
pub(crate) mod norms;
pub(crate) mod optimizer;
pub(crate) mod parameter_state;
pub(crate) mod pending;
pub(crate) mod prefetch;
pub(crate) mod pretrained;
pub(crate) mod saver;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod snapshot;
pub(crate) mod step;
pub(crate) mod stop;

use std::time::Instant;

use alexnet_data::Dataset;
use alexnet_kernels::{PoolGuard, cross_entropy_with_guesses};
use alexnet_model::Mode;

use self::device_batches::DeviceBatches;
use self::disk::DiskNeeds;
use self::finite::check_outputs;
use self::guard::Guard;
use self::job::{Job, SetUp};
use self::norms::StepNorms;
use self::pending::{PendingLosses, PendingStep};
use self::prefetch::prefetch;
use self::session::Session;
use self::setup::{Setup, State};
use self::stop::Ended;
use crate::checkpoint::files::Kept;
use crate::error::Error;
use crate::input::InputStage;
use crate::log::event::Event;
use crate::log::sink::EventSink;
use crate::memory;
use crate::recipe::plateau::{Plateau, Verdict};
use crate::recipe::rates::{frozen_layers, headline_rate, step_rates};
use crate::recipe::schedule::Moment;
use crate::run::RunConfig;

/// Trains: starts or resumes a run and completes it, with final weights and error rates, or until
/// it is asked to stop. `on_event` is called with every event.
///
/// # Errors
///
/// Data that cannot be read; a run that exists already, does not exist, or in whose folder another
/// process is at work; final weights that cannot be written; a loss, an output or a weight that is
/// not finite, which is never saved.
pub fn train(job: &Job, on_event: &mut dyn FnMut(&Event)) -> Result<Ended, Error> {
    let began = Instant::now();
    let data = Dataset::open(&job.data)?;
    let (SetUp { config, resumed, damaged, changes }, _lock) = job.set_up(&data)?;
    let setup = Setup::new(job, &data, config)?;
    let logs = resumed.as_ref().map(|checkpoint| checkpoint.logs.clone());
    let mut state = State::new(&setup, resumed)?;
    let events = EventSink::open(&job.run, logs.as_ref(), on_event);
    let inputs = setup.inputs(&state.network)?;
    let mut session = Session::open(&setup, &inputs, &state, events)?;
    session.warn_of(&damaged, &state);
    session.warn_of_disk(&DiskNeeds::of(&setup, &state), &state);
    session.tell_of(changes, &setup, &state);
    let _memory = PoolGuard::new(); // each step reuses the buffers of the previous one
    let ended = loop {
        match train_from(&setup, &inputs, &mut state, &mut session) {
            Ok(()) => break session.end(&setup, &state, began),
            Err(Error::Stopped) => break Err(Error::Stopped),
            Err(error) => state = session.roll_back(&setup, &state, error)?,
        }
    };
    match ended {
        Err(Error::Stopped) => session.stop(&state),
        scores => Ok(Ended::Complete(scores?)),
    }
}

/// Trains from where `state` stands to the end of the last epoch. Where the run is asked to stop,
/// it is saved, and the error is [`Error::Stopped`].
fn train_from(
    setup: &Setup<'_>,
    inputs: &[InputStage],
    state: &mut State,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    let (job, steps, RunConfig { seed, recipe, .. }) = (setup.job, setup.steps, &setup.config);
    let compute = &job.devices[0];
    let fill = |step, batch: &mut _| setup.fill(step, batch);
    let left = setup.steps_left(&state.at);
    let trained = prefetch(job.loader_threads, left, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, inputs)?;
        let mut pending = PendingLosses::new(compute.is_async());
        let mut last = (state.at.epoch, state.at.step); // the last step that was done
        while state.at.epoch < recipe.epochs {
            let epoch_began = Instant::now();
            pending.restart_clock();
            while state.at.step < steps {
                let now = (state.at.epoch, state.at.step);
                let moment = Moment { epoch: now.0, step: now.0 * steps + now.1 };
                let (batch, waited) = batches.next()?; // the whole batch on each device
                let images = batches.images(&batch, recipe.divisor(moment))?; // (B, 3, h, w), each

                let State { network, at, .. } = &mut *state;
                let rates = step_rates(recipe, at.rate_factor(), moment, steps, network);
                let rate = headline_rate(&rates, network);
                let mode = Mode::Train { seed: *seed, step: moment.step as u64 };
                let frozen = frozen_layers(&rates, network);
                // Its logits are (B, classes).
                let tape = network.forward_tape(&images[..], mode, frozen)?;
                // Losses and what is right, (2, B), and the gradient of the mean loss, (B, classes)
                let (results, gradient) =
                    cross_entropy_with_guesses(tape.logits(), &batch[0].labels)?;
                if !compute.is_async() {
                    Guard::before_update(&results, network, &images, now)?;
                }

                // The outputs of this step say that the weights before it are good.
                let (stops, lowered) =
                    (job.stop.reason().is_some(), recipe.schedule.drop_within(moment));
                if stops || lowered.is_some() || session.saver.is_due() {
                    session.drain(&mut pending, at)?;
                    check_outputs(tape.logits(), last)?;
                    session.save(state, Kept { drop: lowered, best: false }, last)?;
                    pending.restart_clock();
                }
                if stops {
                    return Err(Error::Stopped);
                }

                let State { network, optimizer, at } = &mut *state;
                let mut norms = session.measures_norms(moment).then(|| StepNorms::new(network));
                network.backward(tape, gradient, &mut |parameter, gradient| {
                    if let Some(norms) = &mut norms {
                        norms.add(parameter, gradient)?;
                    }
                    optimizer.update(parameter, gradient, &rates)
                })?;

                last = now;
                at.step += 1;
                session.saver.count_step();
                // What is saved has to be good, so the updated network sees the batch once more.
                let outputs = (at.step == steps).then(|| network.forward(&images[..], Mode::Test));
                drop(images);
                batches.release(batch)?; // the next batch is sent while a GPU works on this step
                let is_full = pending.add(PendingStep { step: now.1, results, rate, waited });
                if is_full || norms.is_some() || at.step == steps {
                    session.drain(&mut pending, at)?;
                }
                if let Some(norms) = norms {
                    let layers = norms.layers(network, optimizer, &rates)?;
                    session.events.emit(Event::Norms { epoch: now.0, step: now.1, layers });
                }
                if let Some(outputs) = outputs {
                    check_outputs(&outputs?, last)?;
                }
            }

            let validation_began = Instant::now();
            let score = match session.validate_epoch(setup, state, last) {
                Err(Error::Stopped) => {
                    session.save(state, Kept::default(), last)?; // before the validation
                    return Err(Error::Stopped);
                }
                score => score?,
            };
            let State { network, at, .. } = &mut *state;
            let (epoch, train_loss) = (at.epoch, at.loss / at.images as f64);
            let moment = Moment { epoch, step: (epoch + 1) * steps - 1 };
            let rates = step_rates(recipe, at.rate_factor(), moment, steps, network);
            session.events.emit(Event::Epoch {
                epoch,
                train_loss,
                train_error: 100.0 * (at.images as f64 - at.right) / at.images as f64,
                rate: headline_rate(&rates, network),
                validation: score,
                seconds: epoch_began.elapsed().as_secs_f64(),
                validation_seconds: validation_began.elapsed().as_secs_f64(),
            });
            session.events.kernels((epoch + 1) * steps, network);
            session.check_epoch(train_loss, steps, last)?;
            let (verdict, best) = at.end_epoch(&recipe.schedule, score.map(|s| s.top1_error));
            let mut lowered = recipe.schedule.drop_before_epoch(at.epoch);
            match verdict {
                Verdict::Continue => {}
                Verdict::LowerRates => {
                    let Plateau { factor, drops, .. } = at.plateau;
                    session.events.emit(Event::Drop { epoch: at.epoch, factor });
                    lowered = Some(drops);
                }
                Verdict::Stop => at.epoch = recipe.epochs,
            }
            session.save(state, Kept { best, drop: lowered }, last)?;
        }
        Ok(())
    });
    trained.map_err(|error| memory::explain(error, &state.network, recipe.batch, &job.devices))
}
