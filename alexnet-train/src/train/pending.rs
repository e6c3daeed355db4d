//! Losses of steps that a GPU may still be working on. Reading waits, so many are read at a time.

use std::time::Instant;

use candle_core::Tensor;

use crate::checkpoint::progress::Progress;
use crate::devices::read_together;
use crate::error::Error;
use crate::log::event::Event;
use crate::log::sink::EventSink;
use crate::train::guard::Guard;

/// The losses of steps that were started and not read yet.
#[derive(Debug)]
pub(crate) struct PendingLosses {
    steps: Vec<PendingStep>,
    /// How many steps are read together.
    most: usize,
    since: Instant,
}

/// A step that was started.
#[derive(Debug)]
pub(crate) struct PendingStep {
    /// Its number in the epoch.
    pub(crate) step: usize,
    /// Its losses, and how right each guess was, `(2, B)`.
    pub(crate) results: Tensor,
    /// Its learning rate.
    pub(crate) rate: f32,
    /// The seconds it waited for its images.
    pub(crate) waited: f64,
}

impl PendingLosses {
    /// No losses yet; `is_async` as of [`ComputeDevice`](alexnet_kernels::ComputeDevice).
    pub(crate) fn new(is_async: bool) -> Self {
        let most = read_together(is_async);
        Self { steps: Vec::with_capacity(most), most, since: Instant::now() }
    }

    /// Lets the time of the next steps begin now.
    pub(crate) fn restart_clock(&mut self) {
        self.since = Instant::now();
    }

    /// Adds a step, and says whether it is time to drain.
    pub(crate) fn add(&mut self, step: PendingStep) -> bool {
        self.steps.push(step);
        self.steps.len() >= self.most
    }

    /// Waits for all steps, shows their losses to the guard, adds them to `at`, and emits an event
    /// for each. Each step is
    /// given an equal share of the time.
    pub(crate) fn drain(
        &mut self,
        at: &mut Progress,
        guard: &mut Guard,
        events: &mut EventSink<'_>,
    ) -> Result<(), Error> {
        let read = |step: PendingStep| {
            let both = step.results.flatten_all()?.to_vec1()?;
            Ok((both, step))
        };
        let steps: Vec<(Vec<f32>, PendingStep)> =
            self.steps.drain(..).map(read).collect::<Result<_, Error>>()?;
        let seconds = self.since.elapsed().as_secs_f64() / steps.len() as f64;
        self.since = Instant::now();
        for (both, PendingStep { step, rate, waited, .. }) in steps {
            let (losses, right) = both.split_at(both.len() / 2);
            let (epoch, images) = (at.epoch, losses.len());
            let loss = losses.iter().sum::<f32>() / images as f32;
            guard.step(loss, (epoch, step))?;
            at.loss += losses.iter().map(|l| f64::from(*l)).sum::<f64>();
            at.right += right.iter().map(|r| f64::from(*r)).sum::<f64>();
            at.images += images;
            events.emit(Event::Step { epoch, step, loss, rate, images, seconds, waited });
        }
        Ok(())
    }
}
