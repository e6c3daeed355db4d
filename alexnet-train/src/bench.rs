//! How fast a network trains on this machine: the whole step, each layer beside the machine's peaks, the loader.

mod fed;
mod layers;
mod loader;
mod machine;

use std::collections::HashMap;
use std::time::Instant;

use alexnet_kernels::{
    ComputeDevice, PoolGuard, Sgd, channels_last, cross_entropy_with_grad, normals,
};
use alexnet_model::{Mode, Network, NetworkSpec, Role};
use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use crate::input::{handles, names};
use crate::{Error, Optimizer, StepRates, memory};
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
    /// Threads of a loader for whose images the step is measured once more; 0 for no such measurement.
    pub loader_threads: usize,
    /// Where to compute, and how precisely: one device, or one for each of the network's towers; on several, only the
    /// step is measured.
    pub devices: Vec<ComputeDevice>,
}

/// What was measured. Where others use the machine too, the fastest of several tries is nearest to the truth.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// The network's name.
    pub network: String,
    /// Images of a batch.
    pub batch: usize,
    /// Threads that computed, or that asked a card to.
    pub threads: usize,
    /// `cpu`, `cuda:0`, `cuda:0,cuda:1`.
    pub device: String,
    /// What the device's maker calls it.
    pub model: String,
    /// `f32`, `tf32`, `bf16`.
    pub precision: String,
    /// Whether a card used only algorithms that give the same bits each time.
    pub deterministic: bool,
    /// Seconds of each timed step: forward, loss, backward, update. On a card, which works through a queue, each is the
    /// mean of ten that were asked for without waiting between them.
    pub step_seconds: Vec<f64>,
    /// Images a second of the median step.
    pub images_per_second: f64,
    /// Floating-point operations of a step by the direct algorithm, over the median step's time, in billions a
    /// second.
    pub direct_gflops: f64,
    /// The most memory the process had until the last timed step, in bytes; on a card what tensors and workspaces had of
    /// its memory; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Images a second of the step with the loader running: crops of stored images of 256 pixels, from the page cache
    /// through its threads to the device. Only where loader threads were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fed_images_per_second: Option<f64>,
    /// The threads of that loader; 0 without.
    #[serde(skip_serializing_if = "no_loader")]
    pub loader_threads: usize,
    /// The rest, unless only the step was asked for.
    #[serde(flatten)]
    pub details: Option<BenchDetails>,
}

fn no_loader(threads: &usize) -> bool {
    *threads == 0
}

/// Everything but the step as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct BenchDetails {
    /// A product of two large matrices on all threads or on the card, in billions of operations a second.
    pub gemm_peak_gflops: f64,
    /// Memory read and written by a copy on all threads or on the card, in billions of bytes a second.
    pub copy_peak_gbps: f64,
    /// The first local response normalization, forward and backward, in billions of bytes a second, each tensor read or
    /// written once; `None` without one.
    pub lrn_gbps: Option<f64>,
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
    let BenchOptions { network: spec, batch, steps, devices, .. } = options;
    memory::check(&spec.fused_layers_on(devices.len())?, *batch, devices)?;
    let compute = &devices[0];
    let _memory = PoolGuard::new(); // as the training loop does
    let network = Network::new(spec, 1, &Device::Cpu)?;
    let mut network = network.to_devices(&handles(devices), DType::F32)?;
    let optimizer = Optimizer::new(&mut network, &HashMap::new(), compute.weights())?;
    let (rates, (images, labels)) = (rates(&network), data(spec, *batch, devices)?);
    let devices = devices.clone();
    let trainer = Trainer { rates, network, optimizer, images, labels, devices };

    let step_seconds = trainer.steps((*steps).max(1));
    let step_seconds =
        step_seconds.map_err(|e| memory::explain(e, &trainer.network, *batch, &trainer.devices))?;
    let median = median(&step_seconds);
    let peak_memory_bytes =
        if compute.is_async() { compute.peak_memory() } else { machine::peak_memory() };
    let threads = options.loader_threads;
    let fed_images_per_second = match threads {
        0 => None,
        _ => Some(fed::images_per_second(&trainer, threads, (*steps).max(1))?),
    };
    let details = if options.step_only || trainer.devices.len() > 1 {
        None
    } else {
        let layers = layers::measure(&trainer)?;
        Some(BenchDetails {
            share_without_weights: layers::share_without_weights(&layers),
            lrn_gbps: layers::lrn_rate(&trainer, &layers),
            layers,
            gemm_peak_gflops: machine::gemm_peak(compute)?,
            copy_peak_gbps: machine::copy_peak(compute)?,
            loader_images_per_second_per_core: loader::images_per_second(spec.input)?,
        })
    };
    Ok(BenchReport {
        network: spec.name.clone(),
        batch: *batch,
        threads: rayon::current_num_threads(),
        device: names(&trainer.devices),
        model: compute.model(),
        precision: compute.options().precision.to_string(),
        deterministic: compute.options().deterministic,
        images_per_second: *batch as f64 / median,
        direct_gflops: *batch as f64 * layers::operations(&spec.fused_layers()?) / median / 1e9,
        step_seconds,
        peak_memory_bytes,
        fed_images_per_second,
        loader_threads: threads,
        details,
    })
}

/// All that a step needs.
struct Trainer {
    network: Network,
    optimizer: Optimizer,
    rates: StepRates,
    images: Vec<Tensor>, // (B, C, H, W), for each tower
    labels: Tensor,      // (B)
    devices: Vec<ComputeDevice>,
}

/// Steps or passes that a card is asked for without waiting between them.
const QUEUED: usize = 10;

impl Trainer {
    /// Seconds of `count` timed steps.
    fn steps(&self, count: usize) -> Result<Vec<f64>, Error> {
        // The first one chooses a card's algorithms; what it allocates is there for the next.
        let (untimed, each) = if self.devices[0].is_async() { (3, QUEUED) } else { (1, 1) };
        let mut number = 0;
        let mut run = |steps| {
            self.devices.iter().try_for_each(ComputeDevice::wait)?;
            let start = Instant::now();
            for _ in 0..steps {
                self.step(number)?;
                number += 1;
            }
            self.devices.iter().try_for_each(ComputeDevice::wait)?;
            Ok::<_, Error>(start.elapsed().as_secs_f64() / steps as f64)
        };
        run(untimed)?;
        (0..count).map(|_| run(each)).collect()
    }

    /// The step of the training loop, without the loader.
    fn step(&self, step: u64) -> Result<(), Error> {
        self.step_with(&self.images, &self.labels, step)
    }

    /// The same of a batch that is on the devices.
    fn step_with(&self, images: &[Tensor], labels: &Tensor, step: u64) -> Result<(), Error> {
        let tape = self.network.forward_tape(images, mode(step))?;
        let (_, gradient) = cross_entropy_with_grad(tape.logits(), labels)?;
        self.network.backward(tape, gradient, &mut |parameter, gradient| {
            self.optimizer.update(parameter, gradient, &self.rates)
        })?;
        Ok(())
    }
}

fn mode(step: u64) -> Mode {
    Mode::Train { seed: 1, step }
}

/// Rates as a run has them late: small enough for random labels to do no harm to the weights.
fn rates(network: &Network) -> StepRates {
    let decay = |role| if role == Role::Weight { 5e-4 } else { 0.0 };
    network.parameters().map(|p| Sgd { rate: 1e-6, momentum: 0.9, decay: decay(p.role) }).collect()
}

/// Pixels as they are after the mean: normal, of standard deviation 60; and a label for each image.
fn data(
    spec: &NetworkSpec,
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(Vec<Tensor>, Tensor), Error> {
    let [c, h, w] = spec.input;
    let images = normals(1, 0, 60.0, batch * c * h * w);
    let classes = spec.classes().unwrap_or(1);
    let labels: Vec<u32> = (0..batch).map(|i| (i * 37 % classes) as u32).collect();
    let images = channels_last(&Tensor::from_vec(images, (batch, c, h, w), &Device::Cpu)?)?;
    let images = images.permute((0, 2, 3, 1))?.to_dtype(devices[0].activations())?;
    let on = |compute: &ComputeDevice| images.to_device(compute.device())?.permute((0, 3, 1, 2));
    let images = devices.iter().map(on).collect::<candle_core::Result<_>>()?;
    Ok((images, Tensor::from_vec(labels, batch, devices[0].device())?))
}

/// The middle value; of an even number of values the lower of the two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}
