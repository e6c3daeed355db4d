//! From the loader to the device: the next batch goes to a card while the card works on this one.

use std::time::Instant;

use alexnet_kernels::{Compute, DeviceBatch, Transfer, Window};
use candle_core::Tensor;

use crate::input::{host_batch, windows};
use crate::prefetch::Batches;
use crate::{Error, InputStage};

/// A batch where it is computed with, or on its way there.
#[derive(Debug)]
pub(crate) struct FedBatch {
    sent: DeviceBatch,
    windows: Vec<Window>,
    /// Classes, in the host's memory.
    pub(crate) labels: Vec<u32>,
    /// Seconds that the loop waited for the loader.
    pub(crate) waited: f64,
}

impl FedBatch {
    /// Classes, `(B)`, on the device.
    pub(crate) fn labels(&self) -> &Tensor {
        &self.sent.labels
    }

    /// The network's input `(B, 3, h, w)`; `divisor` as [`InputStage::run`] takes it.
    pub(crate) fn images(&self, input: &InputStage, divisor: f32) -> Result<Tensor, Error> {
        Ok(input.run_sent(&self.sent, &self.windows, divisor)?)
    }
}

/// The batches of a loader, one after another.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    batches: &'a mut Batches,
    transfer: Transfer,
    /// Whether the next batch is sent before it is asked for.
    early: bool,
    ahead: Option<Result<FedBatch, Error>>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(batches: &'a mut Batches, compute: &Compute) -> Result<Self, Error> {
        let transfer = Transfer::new(compute.device())?;
        Ok(Self { batches, transfer, early: compute.queues(), ahead: None })
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
        self.transfer.release(batch.sent)?;
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
        let sent = match self.transfer.send(&host_batch(&batch)) {
            Ok(sent) => sent,
            Err(error) => return Some(Err(error.into())),
        };
        let (windows, labels) = (windows(&batch), batch.labels.clone());
        self.batches.recycle(batch);
        Some(Ok(FedBatch { sent, windows, labels, waited }))
    }
}
