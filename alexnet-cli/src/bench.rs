//! `alexnet bench`: how fast a network trains on this machine, layer by layer.

use std::time::Instant;

use alexnet_train::{
    BenchDetails, BenchOptions, BenchPhase, BenchReport, ComputeDevice, ConvolutionChoice,
    LayerTimes, MeasuredWay, bench,
};
use anyhow::{Result, ensure};

use crate::device::DeviceArguments;
use crate::numbers::{BATCH, REPETITIONS, THREADS, within};
use crate::output::{OutputError, Report};
use crate::preset::NetworkArguments;

/// Measure the training step, each layer beside the machine's peaks, the loader and the memory
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Leave a layer without weights out; may be repeated
    #[arg(long, value_name = "LAYER")]
    without: Vec<String>,
    /// Images in a batch
    #[arg(long, default_value_t = 128, value_parser = within::<usize>(BATCH))]
    batch: usize,
    #[command(flatten)]
    device: DeviceArguments,
    /// Threads that compute [default: one a core]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    threads: Option<usize>,
    /// Training steps to time
    #[arg(long, default_value_t = 5, value_parser = within::<usize>(REPETITIONS))]
    steps: usize,
    /// Only the training step: no layers, peaks or loader
    #[arg(long)]
    step_only: bool,
    /// Measure the step again with a loader of so many threads running, on images drawn for it
    #[arg(
        long, default_value_t = 0, value_name = "THREADS",
        value_parser = within::<usize>(0..=*THREADS.end())
    )]
    loader_threads: usize,
    /// Let a profiler of GPUs look at one step and nothing else, as in
    /// `ncu --profile-from-start off alexnet bench …`; nothing is measured then
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut network = arguments.network.spec()?;
    for name in &arguments.without {
        let count = network.layers.len();
        network.layers.retain(|layer| layer.name != *name);
        ensure!(network.layers.len() < count, "--without `{name}`: there is no such layer");
    }
    let began = Instant::now();
    let devices = arguments.device.open_all()?;
    let opening = BenchPhase { name: "opening", seconds: began.elapsed().as_secs_f64() };
    let on_gpus = devices.iter().all(ComputeDevice::is_async);
    ensure!(on_gpus || !arguments.profile, "--profile: only a GPU has a profiler: --device cuda:0");
    let mut report = bench(&BenchOptions {
        network,
        batch: arguments.batch,
        threads: arguments.threads.unwrap_or(0),
        steps: arguments.steps,
        step_only: arguments.step_only,
        profile: arguments.profile,
        loader_threads: arguments.loader_threads,
        devices,
    })?;
    report.phases.insert(0, opening);
    if arguments.json {
        writeln!(Report, "{}", serde_json::to_string(&report)?)?;
    } else {
        show(&report)?;
    }
    Ok(())
}

fn show(report: &BenchReport) -> Result<(), OutputError> {
    let BenchReport { network, batch, threads, images_per_second, direct_gflops, .. } = report;
    let fastest = report.step_seconds.iter().copied().fold(f64::INFINITY, f64::min);
    if report.device == "cpu" {
        writeln!(Report, "{network}, batch {batch}, {threads} threads, {}", report.precision)?;
    } else {
        writeln!(Report, "{network}, batch {batch}, {}, {}", report.model, report.precision)?;
    }
    writeln!(
        Report,
        "training step   {images_per_second:.1} images/s (median), {direct_gflops:.0} GFLOP/s"
    )?;
    writeln!(Report, "fastest step    {:.1} images/s", *batch as f64 / fastest)?;
    if let Some(bytes) = report.peak_memory_bytes {
        writeln!(Report, "peak memory     {:.2} GB", bytes as f64 / 1e9)?;
    }
    if let (Some(rate), Some(threads)) = (report.fed_images_per_second, report.loader_threads) {
        let share = 100.0 * rate / images_per_second;
        writeln!(
            Report,
            "with a loader   {rate:.1} images/s ({share:.0} %), {threads} loader threads"
        )?;
    }
    show_choices(report)?;
    let phases = report.phases.iter().map(|phase| format!("{} {:.1} s", phase.name, phase.seconds));
    writeln!(Report, "this took       {}", phases.collect::<Vec<_>>().join(", "))?;
    let Some(details) = &report.details else { return Ok(()) };
    let BenchDetails { gemm_peak_gflops: gemm, copy_peak_gbps: copy, layers, .. } = details;
    writeln!(Report, "machine         {gemm:.0} GFLOP/s (matmul), {copy:.1} GB/s (copy)")?;
    if let Some(rate) = details.lrn_gbps {
        writeln!(Report, "lrn             {rate:.1} GB/s, forward and backward")?;
    }
    writeln!(
        Report,
        "loader          {:.0} images/s a core",
        details.loader_images_per_second_per_core
    )?;
    writeln!(Report, "without weights {:.1} % of the step", 100.0 * details.share_without_weights)?;
    writeln!(
        Report,
        "\n{:<14} {:>10} {:>8} {:>11} {:>8} {:>10}",
        "layer", "forward", "", "backward", "", "update"
    )?;
    for layer in layers {
        let LayerTimes { name, forward_ms, forward_rate, update_ms, unit, .. } = layer;
        let LayerTimes { backward_ms, backward_rate, .. } = layer;
        writeln!(
            Report,
            "{name:<14} {forward_ms:>7.1} ms {forward_rate:>8.1} {backward_ms:>8.1} ms \
             {backward_rate:>8.1} {update_ms:>7.1} ms  {unit}"
        )?;
    }
    Ok(())
}

/// How a GPU runs the convolutions, and how long each way takes.
fn show_choices(report: &BenchReport) -> Result<(), OutputError> {
    let time = |way: &MeasuredWay| match way.milliseconds {
        Some(milliseconds) => format!("{} {milliseconds:.3} ms", way.name),
        None => format!("{} refused", way.name),
    };
    for ConvolutionChoice { operation, chosen, others } in &report.choices {
        writeln!(Report, "{operation}: {}", time(chosen))?;
        for other in others {
            writeln!(Report, "    not {}", time(other))?;
        }
    }
    Ok(())
}
