//! How fast a network trains on this machine: the whole step, each layer beside the machine's peaks, the loader.

mod layers;
mod loader;
mod machine;

use std::collections::HashMap;
use std::time::Instant;

use alexnet_kernels::{KeepMemory, Sgd, SoftmaxCrossEntropy, channels_last, normals, recycle};
use alexnet_model::{Mode, Network, NetworkSpec, Role};
use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::{Error, Optimizer, StepRates};
pub use layers::LayerTimes;

/// What to measure.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// The network.
    pub network: NetworkSpec,
    /// Images of a batch.
    pub batch: usize,
    /// Threads that compute; 0 for one a core.
    pub threads: usize,
    /// Training steps to time, at least 1; one more comes before them and is not counted.
    pub steps: usize,
    /// Whether only the step is measured, not layers, peaks and loader.
    pub step_only: bool,
}

/// What was measured. Where others use the machine too, the fastest of several tries is nearest to the truth.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// The network's name.
    pub network: String,
    /// Images of a batch.
    pub batch: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Seconds of each timed step: forward, loss, backward, update.
    pub step_seconds: Vec<f64>,
    /// Images a second of the median step.
    pub images_per_second: f64,
    /// Floating-point operations of a step by the direct algorithm, over the median step's time, in billions a
    /// second.
    pub direct_gflops: f64,
    /// The most memory the process had until the last timed step, in bytes; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The rest, unless only the step was asked for.
    #[serde(flatten)]
    pub details: Option<BenchDetails>,
}

/// Everything but the step as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct BenchDetails {
    /// A product of two large matrices on all threads, in billions of operations a second.
    pub gemm_peak_gflops: f64,
    /// Memory read and written by a copy on all threads, in billions of bytes a second.
    pub copy_peak_gbps: f64,
    /// Each layer, first to last; one with the ReLU behind it that runs with it is one.
    pub layers: Vec<LayerTimes>,
    /// What layers without weights take of the time of all, forward and backward, with updates: 0 to 1.
    pub share_without_weights: f64,
    /// Random crops of the network's size from stored images of 256 pixels, on one core, from warm memory.
    pub loader_images_per_second_per_core: f64,
}

/// Trains `options.network` on random pixels and measures.
///
/// # Errors
///
/// A description that is no network; no memory; no room for a small dataset in the temporary folder.
pub fn bench(options: &BenchOptions) -> Result<BenchReport, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    pool.map_err(candle_core::Error::wrap)?.install(|| measure(options))
}

fn measure(options: &BenchOptions) -> Result<BenchReport, Error> {
    let BenchOptions { network: spec, batch, steps, .. } = options;
    let _memory = KeepMemory::new(); // as the training loop does
    let mut network = Network::new(spec, 1, &Device::Cpu)?;
    let optimizer = Optimizer::new(&mut network, &HashMap::new())?;
    let trainer = Trainer { rates: rates(&network), network, optimizer, data: data(spec, *batch)? };

    trainer.step(0)?;
    let mut step_seconds = Vec::new();
    for step in 1..=*steps.max(&1) {
        let start = Instant::now();
        trainer.step(step as u64)?;
        step_seconds.push(start.elapsed().as_secs_f64());
    }
    let median = median(&step_seconds);
    let peak_memory_bytes = machine::peak_memory();
    let details = if options.step_only {
        None
    } else {
        let layers = layers::measure(&trainer)?;
        Some(BenchDetails {
            share_without_weights: layers::share_without_weights(&layers),
            layers,
            gemm_peak_gflops: machine::gemm_peak()?,
            copy_peak_gbps: machine::copy_peak(rayon::current_num_threads()),
            loader_images_per_second_per_core: loader::images_per_second(spec.input)?,
        })
    };
    Ok(BenchReport {
        network: spec.name.clone(),
        batch: *batch,
        threads: rayon::current_num_threads(),
        images_per_second: *batch as f64 / median,
        direct_gflops: *batch as f64 * layers::operations(&trainer.network) / median / 1e9,
        step_seconds,
        peak_memory_bytes,
        details,
    })
}

/// All that a step needs.
struct Trainer {
    network: Network,
    optimizer: Optimizer,
    rates: StepRates,
    data: [Tensor; 2], // (B, C, H, W), (B)
}

impl Trainer {
    /// The step of the training loop, without the loader.
    fn step(&self, step: u64) -> Result<(), Error> {
        let [images, labels] = &self.data;
        let tape = self.network.forward_tape(images, mode(step))?;
        let (losses, gradient) = SoftmaxCrossEntropy.loss_and_gradient(tape.logits(), labels)?;
        self.network.backward(tape, gradient, &mut |parameter, gradient| {
            self.optimizer.update(parameter, gradient, &self.rates)
        })?;
        losses.to_vec1::<f32>()?;
        recycle(losses);
        Ok(())
    }
}

fn mode(step: u64) -> Mode {
    Mode::Train { seed: 1, step }
}

/// Rates as a run has them late: small enough for random labels to do no harm to the weights.
fn rates(network: &Network) -> StepRates {
    let decay = |role| if role == Role::Weight { 5e-4 } else { 0.0 };
    network
        .parameters()
        .iter()
        .map(|p| Sgd { rate: 1e-6, momentum: 0.9, decay: decay(p.role) })
        .collect()
}

/// Pixels as they are after the mean: normal, of standard deviation 60; and a label for each image.
fn data(spec: &NetworkSpec, batch: usize) -> Result<[Tensor; 2], Error> {
    let [c, h, w] = spec.input;
    let images = normals(1, 0, 60.0, batch * c * h * w);
    let classes = spec.classes().unwrap_or(1);
    let labels: Vec<u32> = (0..batch).map(|i| (i * 37 % classes) as u32).collect();
    let images = channels_last(&Tensor::from_vec(images, (batch, c, h, w), &Device::Cpu)?)?;
    Ok([images, Tensor::from_vec(labels, batch, &Device::Cpu)?])
}

/// The middle value; of an even number of values the lower of the two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}
