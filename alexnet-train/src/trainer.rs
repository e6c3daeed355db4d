//! A network in training on random images, for measuring and testing a step without a dataset.

use std::collections::HashMap;

use alexnet_kernels::{ComputeDevice, Sgd, channels_last, normals};
use alexnet_model::{Mode, Network, NetworkSpec, Role};
use candle_core::{DType, Device, Result, Tensor};

use crate::devices::candle_devices;
use crate::train::optimizer::Optimizer;
use crate::train::step::train_step;

/// All that a training step needs.
pub(crate) struct Trainer {
    pub(crate) network: Network,
    pub(crate) optimizer: Optimizer,
    pub(crate) rates: Vec<Sgd>,
    pub(crate) images: Vec<Tensor>, // (B, C, H, W), or in blocks, on each device
    pub(crate) labels: Tensor,      // (B)
    pub(crate) devices: Vec<ComputeDevice>,
}

impl Trainer {
    /// Copies `network` to `devices`. `rule` is the update of a weight or a bias.
    pub(crate) fn new(
        network: &Network,
        rule: impl Fn(Role) -> Sgd,
        batch: usize,
        devices: &[ComputeDevice],
    ) -> Result<Self> {
        let mut network = network.to_devices(&candle_devices(devices), DType::F32)?;
        let optimizer = Optimizer::new(&mut network, &HashMap::new(), devices[0].activations())?;
        let rates = network.parameters().map(|p| rule(p.role)).collect();
        let (mut images, labels) = random_batch(network.spec(), batch, devices)?;
        if let Some(blocks) = network.image_blocks()? {
            for images in &mut images {
                *images = blocks.forward(images)?; // as a training's input layer writes them
            }
        }
        Ok(Self { network, optimizer, rates, images, labels, devices: devices.to_vec() })
    }

    /// The training loop's step with a batch that is on the devices. Gives the losses and what
    /// is right, `(2, B)`.
    pub(crate) fn step(&self, images: &[Tensor], labels: &Tensor, mode: Mode) -> Result<Tensor> {
        let Self { network, optimizer, rates, .. } = self;
        train_step(network, optimizer, rates, images, labels, mode).map(|(_, results)| results)
    }
}

/// How many images of a random batch differ. More take seconds to draw and measure the same.
pub(crate) const DIFFERENT: usize = 32;

/// Images `(B, C, H, W)` on each device and labels `(B)` on the first. The pixels are as they are
/// after the mean was subtracted: normal, of standard deviation 60. In a batch of more than
/// [`DIFFERENT`] images these come again.
pub(crate) fn random_batch(
    spec: &NetworkSpec,
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(Vec<Tensor>, Tensor)> {
    let [c, h, w] = spec.input;
    let different = batch.min(DIFFERENT);
    let pixels = normals(1, 0, 60.0, different * c * h * w);
    let images = Tensor::from_vec(pixels, (different, c, h, w), &Device::Cpu)?;
    let images = channels_last(&images.to_dtype(devices[0].activations())?)?;
    let classes = spec.classes().unwrap_or(1);
    let labels: Vec<u32> = (0..batch).map(|i| (i * 37 % classes) as u32).collect();
    let images = devices.iter().map(|compute| {
        // In memory a channels-last batch is (B, H, W, C), of which more rows are more images.
        let rows = images.to_device(compute.device())?.permute((0, 2, 3, 1))?;
        repeated(&rows, batch)?.permute((0, 3, 1, 2))
    });
    Ok((images.collect::<Result<_>>()?, Tensor::from_vec(labels, batch, devices[0].device())?))
}

/// The first `count` rows of a contiguous tensor that comes again as often as that needs, copied on
/// its device.
pub(crate) fn repeated(rows: &Tensor, count: usize) -> Result<Tensor> {
    if rows.dim(0)? == count {
        return Ok(rows.clone());
    }
    Tensor::cat(&vec![rows; count.div_ceil(rows.dim(0)?)], 0)?.narrow(0, 0, count)
}
