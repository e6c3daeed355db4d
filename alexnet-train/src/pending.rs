//! Losses of steps that a card may still be working on: reading one waits for it, so they are read many at a time.

use std::time::Instant;

use candle_core::Tensor;

use crate::{Error, Event, Progress};

/// Steps between two looks at the losses of a card: rarely enough that waiting costs nothing, often enough for a
/// progress bar.
const STEPS: usize = 20;

/// Steps that were asked for and not looked at yet.
#[derive(Debug)]
pub(crate) struct Pending {
    steps: Vec<Step>,
    /// As many as are looked at together: 1 where a step is done when its call returns.
    most: usize,
    since: Instant,
}

#[derive(Debug)]
struct Step {
    step: usize,
    losses: Tensor, // (B)
    waited: f64,
}

impl Pending {
    pub(crate) fn new(queues: bool) -> Self {
        let most = if queues { STEPS } else { 1 };
        Self { steps: Vec::with_capacity(most), most, since: Instant::now() }
    }

    /// From here on time counts for the steps to come.
    pub(crate) fn restart_clock(&mut self) {
        self.since = Instant::now();
    }

    /// Adds a step; whether it is time to look.
    pub(crate) fn add(&mut self, step: usize, losses: Tensor, waited: f64) -> bool {
        self.steps.push(Step { step, losses, waited });
        self.steps.len() >= self.most
    }

    /// Waits for all steps, counts their losses in `at` and tells of each; their time is told in equal shares.
    pub(crate) fn look(
        &mut self,
        at: &mut Progress,
        rate: f32,
        tell: &mut dyn FnMut(Event) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = self.steps.len();
        let mut seen = Vec::with_capacity(count);
        for Step { step, losses, waited } in self.steps.drain(..) {
            let per_image: Vec<f32> = losses.to_vec1()?;
            seen.push((step, per_image, waited));
        }
        let seconds = self.since.elapsed().as_secs_f64() / count.max(1) as f64;
        self.since = Instant::now();
        for (step, losses, waited) in seen {
            let loss = losses.iter().sum::<f32>() / losses.len() as f32;
            if !loss.is_finite() {
                return Err(Error::Diverged { loss, epoch: at.epoch, step });
            }
            at.loss += losses.iter().map(|l| f64::from(*l)).sum::<f64>();
            at.images += losses.len();
            let (epoch, images) = (at.epoch, losses.len());
            tell(Event::Step { epoch, step, loss, rate, images, seconds, waited })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// What the events and the progress say of three steps.
    fn told(queues: bool) -> (Vec<(usize, f32)>, f64, usize, Vec<bool>) {
        let (mut pending, mut at) = (Pending::new(queues), Progress::START);
        let (mut events, mut due) = (Vec::new(), Vec::new());
        let mut tell = |event| {
            if let Event::Step { step, loss, .. } = event {
                events.push((step, loss));
            }
            Ok(())
        };
        for (step, losses) in [[1f32, 2.0], [3.0, 5.0], [0.5, 0.5]].iter().enumerate() {
            let losses = Tensor::from_slice(losses, 2, &Device::Cpu).unwrap();
            due.push(pending.add(step, losses, 0.0));
            if due[step] {
                pending.look(&mut at, 0.1, &mut tell).unwrap();
            }
        }
        pending.look(&mut at, 0.1, &mut tell).unwrap();
        (events, at.loss, at.images, due)
    }

    #[test]
    fn the_same_is_told_at_once_and_later() {
        let (at_once, later) = (told(false), told(true));
        assert_eq!(at_once.0, [(0, 1.5), (1, 4.0), (2, 0.5)]);
        assert_eq!((at_once.1, at_once.2), (12.0, 6));
        assert_eq!((&at_once.0, at_once.1, at_once.2), (&later.0, later.1, later.2));
        assert_eq!((at_once.3, later.3), (vec![true; 3], vec![false; 3]));
    }

    #[test]
    fn a_loss_that_is_no_number_names_its_own_step() {
        let (mut pending, mut at) = (Pending::new(true), Progress::START);
        for (step, loss) in [1.0, f32::NAN, 1.0].into_iter().enumerate() {
            pending.add(step, Tensor::from_slice(&[loss], 1, &Device::Cpu).unwrap(), 0.0);
        }
        let error = pending.look(&mut at, 0.1, &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Diverged { step: 1, .. }), "{error}");
    }
}
