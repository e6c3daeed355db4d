//! Batches on their way from the loader to the devices: a GPU gets the next one while it computes.

use std::time::Instant;

use alexnet_kernels::{DeviceBatch, Staging};
use candle_core::{Result as TensorResult, Tensor};

use crate::error::Error;
use crate::input::InputStage;
use crate::train::prefetch::LoadedBatches;

/// The batches of a loader, one after another, each as a whole on every device.
#[derive(Debug)]
pub(crate) struct DeviceBatches<'a> {
    loaded: &'a mut LoadedBatches,
    /// The inputs of the networks that take turns with the batches, at least one network.
    turns: Vec<&'a [InputStage]>,
    /// How many batches were given out by `next`, and how many were sent.
    given: usize,
    sends: usize,
    stagings: Vec<Staging>, // one for each device
    /// Whether the next batch is sent before it is asked for.
    sends_early: bool,
    sent: Option<Result<Sent, Error>>,
}

/// A batch on each device, or on its way there, and the seconds that it was waited for.
type Sent = (Vec<DeviceBatch>, f64);

impl<'a> DeviceBatches<'a> {
    /// Batches for the devices of `inputs`, at least one.
    pub(crate) fn new(
        loaded: &'a mut LoadedBatches,
        inputs: &'a [InputStage],
    ) -> Result<Self, Error> {
        Self::in_turns(loaded, vec![inputs])
    }

    /// Batches for several networks on the same devices, which take turns: the first batch is for
    /// the first of `turns`, the one after the last for the first again.
    pub(crate) fn in_turns(
        loaded: &'a mut LoadedBatches,
        turns: Vec<&'a [InputStage]>,
    ) -> Result<Self, Error> {
        let inputs = turns.first().copied().unwrap_or_default();
        let stagings = inputs.iter().map(|input| Staging::new(input.compute.device()));
        let stagings = stagings.collect::<TensorResult<_>>()?;
        let sends_early = inputs.iter().any(|input| input.compute.is_async());
        Ok(Self { loaded, turns, given: 0, sends: 0, stagings, sends_early, sent: None })
    }

    /// The inputs of the network whose turn it is for batch `number`.
    fn inputs(&self, number: usize) -> &'a [InputStage] {
        self.turns.get(number % self.turns.len().max(1)).copied().unwrap_or_default()
    }

    /// The next batch.
    pub(crate) fn next(&mut self) -> Result<Sent, Error> {
        self.given += 1;
        self.sent.take().or_else(|| self.send()).unwrap_or(Err(Error::LoaderGone))
    }

    /// The network's input `(B, 3, h, w)` on each device, for the batch that `next` gave last;
    /// `divisor` as in [`InputStage::run`].
    pub(crate) fn images(&self, batch: &[DeviceBatch], divisor: f32) -> TensorResult<Vec<Tensor>> {
        let inputs = self.inputs(self.given.saturating_sub(1));
        inputs.iter().zip(batch).map(|(input, batch)| input.images(batch, divisor)).collect()
    }

    /// Takes a batch back that no later operation reads. A GPU is still working through the
    /// operations that do: meanwhile the next batch is sent.
    pub(crate) fn release(&mut self, batch: Vec<DeviceBatch>) -> Result<(), Error> {
        for (staging, batch) in self.stagings.iter_mut().zip(batch) {
            staging.release(batch)?;
        }
        if self.sends_early && self.sent.is_none() {
            self.sent = self.send();
        }
        Ok(())
    }

    /// Sends the next batch of the loader; `None` after the last.
    fn send(&mut self) -> Option<Result<Sent, Error>> {
        let began = Instant::now();
        let loaded = self.loaded.next()?;
        let waited = began.elapsed().as_secs_f64();
        let inputs = self.inputs(self.sends);
        self.sends += 1;
        Some(loaded.and_then(|batch| {
            let ways = inputs.iter().zip(&mut self.stagings);
            let sent = ways.map(|(input, staging)| input.send(&batch, staging));
            let sent = sent.collect::<TensorResult<_>>()?;
            self.loaded.give_back(batch);
            Ok((sent, waited))
        }))
    }
}
