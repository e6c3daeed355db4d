//! Batches on their way from the loader to the devices: a GPU gets the next one while it computes.

use std::time::Instant;

use alexnet_kernels::{DeviceBatch, Staging};
use candle_core::{Result as TensorResult, Tensor};

use crate::error::Error;
use crate::input::InputStage;
use crate::prefetch::LoadedBatches;

/// The batches of a loader, one after another, each as a whole on every device.
#[derive(Debug)]
pub(crate) struct DeviceBatches<'a> {
    loaded: &'a mut LoadedBatches,
    inputs: &'a [InputStage],
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
        let stagings = inputs.iter().map(|input| Staging::new(input.compute.device()));
        let stagings = stagings.collect::<TensorResult<_>>()?;
        let sends_early = inputs.iter().any(|input| input.compute.is_async());
        Ok(Self { loaded, inputs, stagings, sends_early, sent: None })
    }

    /// The next batch.
    pub(crate) fn next(&mut self) -> Result<Sent, Error> {
        self.sent.take().or_else(|| self.send()).unwrap_or(Err(Error::LoaderGone))
    }

    /// The network's input `(B, 3, h, w)` on each device; `divisor` as in [`InputStage::run`].
    pub(crate) fn images(&self, batch: &[DeviceBatch], divisor: f32) -> TensorResult<Vec<Tensor>> {
        self.inputs.iter().zip(batch).map(|(input, batch)| input.images(batch, divisor)).collect()
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
        Some(loaded.and_then(|batch| {
            let ways = self.inputs.iter().zip(&mut self.stagings);
            let sent = ways.map(|(input, staging)| input.send(&batch, staging));
            let sent = sent.collect::<TensorResult<_>>()?;
            self.loaded.give_back(batch);
            Ok((sent, waited))
        }))
    }
}
