//! What to measure, and what was measured.

use alexnet_kernels::ComputeDevice;
use alexnet_model::NetworkSpec;
use serde::Serialize;

use super::layers::LayerTimes;
use super::phases::BenchPhase;
use crate::choices::ConvolutionChoice;

/// What to measure.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// The network.
    pub network: NetworkSpec,
    /// The number of images in a batch.
    pub batch: usize,
    /// The number of threads that compute; 0 for one on each core.
    pub threads: usize,
    /// The number of training steps to time, at least 1. The steps before them are not counted.
    pub steps: usize,
    /// Whether only the step is measured, without layers, peaks and loader.
    pub step_only: bool,
    /// Whether only one step is run, for a profiler of GPUs to look at. The first steps before it
    /// choose algorithms, and no profiler should see that.
    pub profile: bool,
    /// The number of loader threads with which the step is measured again; 0 to leave that out.
    pub loader_threads: usize,
    /// One device, or one for each of the network's towers; then only the step is measured.
    pub devices: Vec<ComputeDevice>,
}

/// What was measured. On a machine with other work, the fastest of several tries says most.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// The network's name.
    pub network: String,
    /// The number of images in a batch.
    pub batch: usize,
    /// The number of threads that computed, or that asked a GPU to compute.
    pub threads: usize,
    /// The devices: `cpu`, `cuda:0`, `cuda:0,cuda:1`.
    pub device: String,
    /// The name that the maker gave the device.
    pub model: String,
    /// The precision: `f32`, `tf32`, `bf16`.
    pub precision: String,
    /// Whether a GPU used only algorithms that give the same bits each time.
    pub deterministic: bool,
    /// The seconds of each timed step: forward, loss, backward, update. On a GPU, which works
    /// through a queue, each is the mean of ten steps without waiting between them.
    pub step_seconds: Vec<f64>,
    /// Images per second of the median step.
    pub images_per_second: f64,
    /// The floating-point operations of the median step by the direct algorithm, 10⁹ per second.
    pub direct_gflops: f64,
    /// The most memory that the process had until the last timed step, in bytes; for a GPU, the
    /// most of its memory that tensors and workspaces had. `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// How a GPU runs the convolutions of the step, and which other ways it could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ConvolutionChoice>,
    /// Images per second of the step with the loader running: crops of stored images of 256 pixels,
    /// from the page cache to the device. `None` without loader threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fed_images_per_second: Option<f64>,
    /// The number of threads of that loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loader_threads: Option<usize>,
    /// What this measurement took, part by part.
    pub phases: Vec<BenchPhase>,
    /// The other measurements, unless only the step was measured.
    #[serde(flatten)]
    pub details: Option<BenchDetails>,
}

/// Everything but the step as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct BenchDetails {
    /// A matmul of two large matrices on all threads or on the GPU, in 10⁹ operations per second.
    pub gemm_peak_gflops: f64,
    /// A copy on all threads or on the GPU, in 10⁹ bytes per second read and written.
    pub copy_peak_gbps: f64,
    /// The first local response normalization alone, forward and backward, in 10⁹ bytes per second,
    /// where each tensor is read or written once; `None` for a network without one.
    pub lrn_gbps: Option<f64>,
    /// Each layer, first to last. Layers that are fused into one are part of it.
    pub layers: Vec<LayerTimes>,
    /// The share of layers without weights in the time of all, with their updates: 0 to 1.
    pub share_without_weights: f64,
    /// Random crops of the network's size from stored images of 256 pixels in memory, on one core.
    pub loader_images_per_second_per_core: f64,
}
