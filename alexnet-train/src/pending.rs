//! Losses of steps that a GPU may still be working on. Reading one waits for its step, so they are
//! read many at a time.

use std::time::Instant;

use candle_core::Tensor;

use crate::checkpoint::Progress;
use crate::error::Error;
use crate::event::Event;

/// How many steps' losses are read together from a GPU: enough for the wait to cost nothing, few
/// enough for a progress bar.
const STEPS: usize = 20;

/// The losses of steps that were started and not read yet.
#[derive(Debug)]
pub(crate) struct PendingLosses {
    steps: Vec<Step>,
    /// How many steps are read together: 1 on a device whose operations are done when they return.
    most: usize,
    since: Instant,
}

#[derive(Debug)]
struct Step {
    step: usize,
    losses: Tensor, // (B)
    waited: f64,
}

impl PendingLosses {
    /// No losses yet; `is_async` as of [`ComputeDevice`](alexnet_kernels::ComputeDevice).
    pub(crate) fn new(is_async: bool) -> Self {
        let most = if is_async { STEPS } else { 1 };
        Self { steps: Vec::with_capacity(most), most, since: Instant::now() }
    }

    /// Lets the time of the next steps begin now.
    pub(crate) fn restart_clock(&mut self) {
        self.since = Instant::now();
    }

    /// Adds the losses `(B)` of a step, and says whether it is time to drain.
    pub(crate) fn add(&mut self, step: usize, losses: Tensor, waited: f64) -> bool {
        self.steps.push(Step { step, losses, waited });
        self.steps.len() >= self.most
    }

    /// Waits for all steps, adds their losses to `at`, and emits an event for each. Each step is
    /// given an equal share of the time.
    pub(crate) fn drain(
        &mut self,
        at: &mut Progress,
        rate: f32,
        emit: &mut dyn FnMut(Event) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = self.steps.len();
        let read = |Step { step, losses, waited }| Ok((step, losses.to_vec1()?, waited));
        let steps: Vec<(usize, Vec<f32>, f64)> =
            self.steps.drain(..).map(read).collect::<Result<_, Error>>()?;
        let seconds = self.since.elapsed().as_secs_f64() / count.max(1) as f64;
        self.since = Instant::now();
        for (step, losses, waited) in steps {
            let (epoch, images) = (at.epoch, losses.len());
            let loss = losses.iter().sum::<f32>() / images as f32;
            if !loss.is_finite() {
                return Err(Error::Diverged { loss, epoch, step });
            }
            at.loss += losses.iter().map(|l| f64::from(*l)).sum::<f64>();
            at.images += images;
            emit(Event::Step { epoch, step, loss, rate, images, seconds, waited })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The events of three steps, the sums of losses and images, and when it was time to drain.
    fn drained(is_async: bool) -> (Vec<(usize, f32)>, f64, usize, Vec<bool>) {
        let (mut pending, mut at) = (PendingLosses::new(is_async), Progress::START);
        let (mut events, mut due) = (Vec::new(), Vec::new());
        let mut emit = |event| {
            if let Event::Step { step, loss, .. } = event {
                events.push((step, loss));
            }
            Ok(())
        };
        for (step, losses) in [[1f32, 2.0], [3.0, 5.0], [0.5, 0.5]].iter().enumerate() {
            let losses = Tensor::from_slice(losses, 2, &Device::Cpu).unwrap();
            due.push(pending.add(step, losses, 0.0));
            if due[step] {
                pending.drain(&mut at, 0.1, &mut emit).unwrap();
            }
        }
        pending.drain(&mut at, 0.1, &mut emit).unwrap();
        (events, at.loss, at.images, due)
    }

    #[test]
    fn events_are_the_same_at_once_and_later() {
        let (at_once, later) = (drained(false), drained(true));
        assert_eq!(at_once.0, [(0, 1.5), (1, 4.0), (2, 0.5)]);
        assert_eq!((at_once.1, at_once.2), (12.0, 6));
        assert_eq!((&at_once.0, at_once.1, at_once.2), (&later.0, later.1, later.2));
        assert_eq!((at_once.3, later.3), (vec![true; 3], vec![false; 3]));
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_own_step() {
        let (mut pending, mut at) = (PendingLosses::new(true), Progress::START);
        for (step, loss) in [1.0, f32::NAN, 1.0].into_iter().enumerate() {
            pending.add(step, Tensor::from_slice(&[loss], 1, &Device::Cpu).unwrap(), 0.0);
        }
        let error = pending.drain(&mut at, 0.1, &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Diverged { step: 1, .. }), "{error}");
    }
}
