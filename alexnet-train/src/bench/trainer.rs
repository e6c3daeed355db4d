//! All that a training step needs, with random images in the place of a dataset.

use std::collections::HashMap;

use alexnet_kernels::{ComputeDevice, Sgd, cross_entropy_with_grad};
use alexnet_model::{Mode, Network, NetworkSpec, Role};
use candle_core::{DType, Device, Tensor};

use super::timing::{mean_seconds, queued};
use crate::devices::candle_devices;
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::random_batch::random_batch;

/// A network in training and a batch.
pub(super) struct Trainer {
    pub(super) network: Network,
    pub(super) optimizer: Optimizer,
    pub(super) rates: Vec<Sgd>,
    pub(super) images: Vec<Tensor>, // (B, C, H, W) on each device
    pub(super) labels: Tensor,      // (B)
    pub(super) devices: Vec<ComputeDevice>,
}

impl Trainer {
    pub(super) fn new(
        spec: &NetworkSpec,
        batch: usize,
        devices: &[ComputeDevice],
    ) -> Result<Self, Error> {
        let network = Network::new(spec, 1, &Device::Cpu)?;
        let mut network = network.to_devices(&candle_devices(devices), DType::F32)?;
        let optimizer = Optimizer::new(&mut network, &HashMap::new(), devices[0].activations())?;
        // The rate is that of a late epoch: small enough for random labels to do no harm.
        let decay = |role| if role == Role::Weight { 5e-4 } else { 0.0 };
        let rule = |role| Sgd { rate: 1e-6, momentum: 0.9, decay: decay(role) };
        let rates = network.parameters().map(|p| rule(p.role)).collect();
        let (images, labels) = random_batch(spec, batch, devices)?;
        Ok(Self { network, optimizer, rates, images, labels, devices: devices.to_vec() })
    }

    /// The seconds of `count` timed steps.
    pub(super) fn time_steps(&self, count: usize) -> Result<Vec<f64>, Error> {
        let compute = &self.devices[0];
        // In the first steps the algorithms of a GPU are chosen, and buffers allocated.
        let untimed = if compute.is_async() { 3 } else { 1 };
        let mut number = 0;
        let mut time = |steps| {
            mean_seconds(&self.devices, steps, || {
                number += 1;
                self.step(&self.images, &self.labels, number - 1)
            })
        };
        time(untimed)?;
        (0..count).map(|_| time(queued(compute))).collect()
    }

    /// The step of the training loop for a batch that is on the devices.
    pub(super) fn step(&self, images: &[Tensor], labels: &Tensor, step: u64) -> Result<(), Error> {
        let tape = self.network.forward_tape(images, mode(step))?;
        let (_, gradient) = cross_entropy_with_grad(tape.logits(), labels)?;
        self.network.backward(tape, gradient, &mut |parameter, gradient| {
            self.optimizer.update(parameter, gradient, &self.rates)
        })?;
        Ok(())
    }
}

pub(super) fn mode(step: u64) -> Mode {
    Mode::Train { seed: 1, step }
}
