//! How fast a network trains on this machine: the step, its layers, the peaks, the loader.

pub(crate) mod layers;
mod loader;
mod machine;
pub(crate) mod phases;
pub(crate) mod report;
mod timing;

use std::time::Instant;

use alexnet_kernels::{PoolGuard, Sgd};
use alexnet_model::{Mode, Network, Role};
use candle_core::Device;

use self::phases::Phases;
use self::report::{BenchDetails, BenchOptions, BenchReport};
use crate::choices;
use crate::devices::names;
use crate::error::Error;
use crate::memory;
use crate::system;
use crate::trainer::Trainer;

/// Trains `options.network` on random pixels and measures.
///
/// # Errors
///
/// A description that is not a network; a device or a temporary folder without enough room.
pub fn bench(options: &BenchOptions) -> Result<BenchReport, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    pool.map_err(candle_core::Error::wrap)?.install(|| measure(options))
}

fn measure(options: &BenchOptions) -> Result<BenchReport, Error> {
    let BenchOptions { network: spec, batch, devices, loader_threads, .. } = options;
    memory::check(&spec.fused_layers_on(devices.len())?, *batch, devices)?;
    let (compute, steps) = (&devices[0], options.steps.max(1));
    let _memory = PoolGuard::new(); // as in the training loop
    let mut phases = Phases::begin();
    let trainer = Trainer::new(&Network::new(spec, 1, &Device::Cpu)?, rule, *batch, devices)?;
    phases.end("weights and images");
    let step = |step| trainer.step(&trainer.images, &trainer.labels, mode(step));
    let timings = |untimed, count| {
        let seconds = timing::timings(devices, untimed, count, |number| Ok(step(number)?));
        seconds.map_err(|e| memory::explain(e, &trainer.network, *batch, devices))
    };
    // In the first steps the algorithms of a GPU are chosen, and buffers allocated.
    timings(if compute.is_async() { 3 } else { 1 }, 0)?;
    phases.end("first steps");
    let step_seconds = if options.profile {
        let began = Instant::now();
        compute.profile(|| step(0))?;
        vec![began.elapsed().as_secs_f64()]
    } else {
        timings(0, steps)?
    };
    phases.end("steps");
    let median = timing::median(&step_seconds);
    let peak_memory_bytes =
        if compute.is_async() { compute.peak_memory() } else { system::peak_memory() };
    let choices = choices::since(compute, 0);
    let fed_images_per_second = match loader_threads {
        0 => None,
        _ => {
            let rate = loader::feeding(&trainer, *loader_threads, steps)?;
            phases.end("steps with the loader");
            Some(rate)
        }
    };
    let details = if options.step_only || options.profile || devices.len() > 1 {
        None
    } else {
        let layers = layers::measure(&trainer, mode(0))?;
        phases.end("layers");
        let (gemm, copy) = (machine::gemm_peak(compute)?, machine::copy_peak(compute)?);
        phases.end("peaks");
        let loader = loader::alone(spec.input)?;
        phases.end("loader");
        Some(BenchDetails {
            share_without_weights: layers::share_without_weights(&layers),
            lrn_gbps: layers::lrn_rate(&trainer)?,
            layers,
            gemm_peak_gflops: gemm,
            copy_peak_gbps: copy,
            loader_images_per_second_per_core: loader,
        })
    };
    Ok(BenchReport {
        network: spec.name.clone(),
        batch: *batch,
        threads: rayon::current_num_threads(),
        device: names(devices),
        model: compute.model(),
        precision: compute.options().precision.to_string(),
        deterministic: compute.options().deterministic,
        images_per_second: *batch as f64 / median,
        direct_gflops: *batch as f64 * layers::operations(&spec.fused_layers()?) / median / 1e9,
        step_seconds,
        peak_memory_bytes,
        choices,
        fed_images_per_second,
        loader_threads: fed_images_per_second.and(Some(*loader_threads)),
        phases: phases.all(),
        details,
    })
}

/// The update of weights or biases, at a rate so small that random labels do no harm.
fn rule(role: Role) -> Sgd {
    let decay = if role == Role::Weight { 5e-4 } else { 0.0 };
    Sgd { rate: 1e-6, momentum: 0.9, decay }
}

fn mode(step: u64) -> Mode {
    Mode::Train { seed: 1, step }
}
