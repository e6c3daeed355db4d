//! The gradient of the loss with respect to every parameter, for people who compare
//! implementations.

use std::collections::BTreeMap;
use std::path::Path;

use alexnet_data::AtomicFile;
use alexnet_kernels::cross_entropy_with_grad;
use alexnet_model::{FrozenLayers, Mode, Network};
use candle_core::{DType, Device, Tensor};
use safetensors::View;

use super::file::safetensors_header;
use super::{FeatureImages, centre_crops};
use crate::error::Error;
use crate::input::InputStage;

/// The loss of a network for labelled images, and its gradient.
#[derive(Debug)]
pub struct Gradients {
    /// The mean softmax cross-entropy of the images, in nats.
    pub loss: f64,
    /// Its gradient with respect to each parameter, by the parameter's name and in PyTorch's
    /// layout: f32, in the host's memory.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The gradient of the mean loss of all `images`, whose classes are `labels`, with respect to every
/// parameter of `network`.
///
/// ```text
/// loss = 1/N · Σ ( ln Σ exp(z[n,j]) − z[n,label] )        z: logits of the centre crop of image n
/// ```
///
/// The network is as it is in evaluation: dropout drops nothing, and nothing is drawn, so that the
/// same images give the same bits, for any number of `loader_threads`. (Layers whose outputs are
/// multiplied by `keep` at test multiply here too.) There is no weight decay in it. Images come in
/// batches of 128, whose gradients are added in f32 and in their order. `inputs` are for the device
/// of each of the network's towers.
///
/// # Errors
///
/// [`Error::LabelCount`] and [`Error::Label`] for labels that do not fit; as
/// [`features`](crate::features()); [`Error::Outputs`] for a loss that is not finite.
pub fn gradients(
    network: &Network,
    images: FeatureImages<'_>,
    labels: &[u32],
    inputs: &[InputStage],
    loader_threads: usize,
) -> Result<Gradients, Error> {
    let count = images.count();
    check_labels(network, labels, count)?;
    let parameters = network.parameters().count();
    let mut sums: Vec<Option<Tensor>> = vec![None; parameters]; // laid out in memory as they are
    let (mut loss, mut first) = (0.0, 0);
    let mut compute = |input: &[Tensor]| {
        let tape = network.forward_tape(input, Mode::Test, FrozenLayers::NONE)?;
        let logits = tape.logits().clone(); // (B, classes)
        let rows = logits.dim(0)?;
        let labels = Tensor::new(&labels[first..first + rows], logits.device())?; // (B)
        first += rows;
        let (losses, gradient) = cross_entropy_with_grad(&logits, &labels)?; // (B), (B, classes)
        let gradient = match rows == count {
            true => gradient,
            false => (gradient * (rows as f64 / count as f64))?, // of the mean of all images
        };
        network.backward(tape, gradient, &mut |index, gradient| {
            let gradient = gradient.to_dtype(DType::F32)?;
            let sum = &mut sums[index];
            *sum = Some(match sum.take() {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            });
            Ok(())
        })?;
        Ok(losses)
    };
    centre_crops(network, images, inputs, loader_threads, &mut compute, &mut |losses| {
        let losses: Vec<f32> = losses.to_vec1()?;
        loss += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / count as f64;
        Ok(())
    })?;
    if !loss.is_finite() {
        return Err(Error::Outputs);
    }
    let sums: Vec<Tensor> = sums.into_iter().flatten().collect();
    let named = network.named(&sums)?.into_iter().map(|(name, gradient)| {
        Ok((name, gradient.to_device(&Device::Cpu)?.contiguous()?)) // most are
    });
    Ok(Gradients { loss, tensors: named.collect::<Result<_, Error>>()? })
}

/// Refuses labels that are not one for each image, or that the network has no class for.
fn check_labels(network: &Network, labels: &[u32], images: usize) -> Result<(), Error> {
    if labels.len() != images || labels.is_empty() {
        return Err(Error::LabelCount { labels: labels.len(), images });
    }
    let classes = network.spec().classes().unwrap_or(0);
    match labels.iter().find(|label| **label as usize >= classes) {
        None => Ok(()),
        Some(&label) => Err(Error::Label { label, network: network.spec().name.clone(), classes }),
    }
}

impl Gradients {
    /// Writes them as a safetensors file with this metadata, whole or not at all.
    ///
    /// # Errors
    ///
    /// A path where something lies that is no regular file; a folder that does not exist; a full
    /// disk.
    pub fn write(&self, path: &Path, metadata: &BTreeMap<String, String>) -> Result<(), Error> {
        let mut file = AtomicFile::create(path)?;
        let tensors = self.tensors.iter().map(|(name, tensor)| (&**name, "F32", tensor.dims()));
        file.write(&safetensors_header(tensors, metadata))?;
        self.tensors.values().try_for_each(|tensor| file.write(&tensor.data()))?;
        Ok(file.commit()?)
    }
}
