//! A batch of random images, for measuring and testing a step without a dataset.

use alexnet_kernels::{ComputeDevice, channels_last, normals};
use alexnet_model::NetworkSpec;
use candle_core::{Device, Result, Tensor};

/// Images `(B, C, H, W)` on each device and labels `(B)` on the first. The pixels are as they are
/// after the mean was subtracted: normal, of standard deviation 60.
pub(crate) fn random_batch(
    spec: &NetworkSpec,
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(Vec<Tensor>, Tensor)> {
    let [c, h, w] = spec.input;
    let pixels = normals(1, 0, 60.0, batch * c * h * w);
    let images = channels_last(&Tensor::from_vec(pixels, (batch, c, h, w), &Device::Cpu)?)?;
    let rows = images.permute((0, 2, 3, 1))?.to_dtype(devices[0].activations())?; // (B, H, W, C)
    let on = |compute: &ComputeDevice| rows.to_device(compute.device())?.permute((0, 3, 1, 2));
    let classes = spec.classes().unwrap_or(1);
    let labels: Vec<u32> = (0..batch).map(|i| (i * 37 % classes) as u32).collect();
    let images = devices.iter().map(on).collect::<Result<_>>()?;
    Ok((images, Tensor::from_vec(labels, batch, devices[0].device())?))
}
