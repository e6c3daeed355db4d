//! From the loader to the device: the next batch goes to a card while the card works on this one.

use std::time::Instant;

use alexnet_kernels::{DeviceBatch, Staging};
use candle_core::Tensor;

use crate::input::host_batch;
use crate::prefetch::Batches;
use crate::{Error, InputStage};

/// A batch where it is computed with, or on its way there: on one device, or on each of several.
#[derive(Debug)]
pub(crate) struct FedBatch {
    sent: Vec<DeviceBatch>,
    /// Classes, in the host's memory.
    pub(crate) labels: Vec<u32>,
    /// Seconds that the loop waited for the loader.
    pub(crate) waited: f64,
}

impl FedBatch {
    /// Classes, `(B)`, on the first device.
    pub(crate) fn labels(&self) -> &Tensor {
        &self.sent[0].labels
    }

    /// The network's input `(B, 3, h, w)` on each device; `divisor` as [`InputStage::run`] takes it.
    pub(crate) fn images(&self, inputs: &[InputStage], divisor: f32) -> Result<Vec<Tensor>, Error> {
        let run = |(input, sent): (&InputStage, _)| input.run_sent(sent, divisor);
        Ok(inputs.iter().zip(&self.sent).map(run).collect::<candle_core::Result<_>>()?)
    }
}

/// The batches of a loader, one after another.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    batches: &'a mut Batches,
    inputs: &'a [InputStage],
    stagings: Vec<Staging>,
    /// Whether the next batch is sent before it is asked for.
    early: bool,
    ahead: Option<Result<FedBatch, Error>>,
}

impl<'a> Feed<'a> {
    /// To the devices of `inputs`, at least one.
    pub(crate) fn new(batches: &'a mut Batches, inputs: &'a [InputStage]) -> Result<Self, Error> {
        let stagings = inputs.iter().map(|input| Staging::new(input.compute().device()));
        let stagings = stagings.collect::<candle_core::Result<_>>()?;
        let early = inputs.iter().any(|input| input.compute().is_async());
        Ok(Self { batches, inputs, stagings, early, ahead: None })
    }

    /// The next batch.
    pub(crate) fn next(&mut self) -> Result<FedBatch, Error> {
        match self.ahead.take() {
            Some(batch) => batch,
            None => self.send().unwrap_or(Err(Error::LoaderGone)),
        }
    }

    /// Takes back a batch that nothing will be asked to read any more. A card is still busy with what it was asked:
    /// the time for the next batch to be loaded and sent.
    pub(crate) fn done(&mut self, batch: FedBatch) -> Result<(), Error> {
        for (staging, sent) in self.stagings.iter_mut().zip(batch.sent) {
            staging.release(sent)?;
        }
        if self.early && self.ahead.is_none() {
            self.ahead = self.send();
        }
        Ok(())
    }

    /// `None` after the last.
    fn send(&mut self) -> Option<Result<FedBatch, Error>> {
        let began = Instant::now();
        let batch = match self.batches.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let waited = began.elapsed().as_secs_f64();
        let windows = self.inputs.first().map_or_else(Vec::new, |input| input.windows(&batch));
        let host = host_batch(&batch, &windows);
        let sent = self.stagings.iter_mut().map(|staging| staging.send(&host));
        let sent = match sent.collect::<candle_core::Result<Vec<_>>>() {
            Ok(sent) => sent,
            Err(error) => return Some(Err(error.into())),
        };
        let labels = batch.labels.clone();
        self.batches.recycle(batch);
        Some(Ok(FedBatch { sent, labels, waited }))
    }
}
