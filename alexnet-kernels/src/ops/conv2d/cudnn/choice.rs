//! The choice among the ways to run a pass of a convolution.

use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::sys::CUevent_flags;
use candle_core::{Result, bail};

use super::Way;
use super::arrangement::{Arrangement, Job};
use super::graph::{After, Pass};
use super::plan::{Allowed, Operands, plans};
use crate::cuda::context::CudaContext;
use crate::cuda::gpu::Gpu;
use crate::cuda::info;
use crate::device::choice;
use crate::device::error::is_out_of_memory;
use crate::ops::conv2d::geometry::Geometry;

/// How many of cuDNN's plans are measured for each arrangement, and how often each of them.
const PLANS: usize = 6;
const REPEATS: usize = 3;

/// The fastest way; where runs must be deterministic, the first that runs.
pub(super) fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    job: &Job,
    operands: &Operands,
) -> Result<Way> {
    let deterministic = context.options.deterministic;
    let (mut best, mut ways, mut no_memory) = (None::<(f32, Way)>, Vec::new(), None);
    for (arrangement, fused) in candidates(job) {
        let mut fastest = None;
        for way in list(gpu, context, job, arrangement, fused)? {
            let time = match measure(&way, gpu, context, job, operands) {
                Ok(time) => time,
                Err(error) if is_out_of_memory(&error) => {
                    no_memory = Some(error);
                    continue;
                }
                Err(_) => continue, // a plan may be listed and then not run
            };
            fastest = Some(time.min(fastest.unwrap_or(f32::INFINITY)));
            if best.as_ref().is_none_or(|(least, _)| time < *least) {
                best = Some((time, way));
            }
            if deterministic {
                break;
            }
        }
        let name = name(arrangement, fused, &job.geometry);
        ways.push((arrangement, fused, choice::Way { name, milliseconds: fastest }));
        if deterministic && best.is_some() {
            break;
        }
    }
    context.drop_workspace(); // the search needs more than any way does later
    let Some((_, way)) = best else {
        match no_memory {
            Some(error) => return Err(error),
            None => bail!("cuDNN has no way to compute {}", describe(job)),
        }
    };
    let chosen = |&(arrangement, fused, _): &(Arrangement, After, choice::Way)| {
        arrangement == way.arrangement && fused == way.fused
    };
    if let Some(at) = ways.iter().position(chosen) {
        let (_, _, chosen) = ways.remove(at);
        let others = ways.into_iter().map(|(_, _, way)| way).collect();
        context.choices.push(choice::Choice { operation: describe(job), chosen, others });
    }
    Ok(way)
}

/// The arrangements, each with what follows done by cuDNN and by our kernel, in the order in which
/// they are preferred where none is measured.
fn candidates(job: &Job) -> Vec<(Arrangement, After)> {
    let both =
        |&arrangement: &Arrangement| [(arrangement, job.after), (arrangement, After::Nothing)];
    let mut all: Vec<_> = Arrangement::all(&job.geometry).iter().flat_map(both).collect();
    all.dedup();
    all
}

/// cuDNN's plans for an arrangement; none where it refuses that.
fn list(
    gpu: &Gpu,
    context: &CudaContext,
    job: &Job,
    arrangement: Arrangement,
    fused: After,
) -> Result<Vec<Way>> {
    // What is free differs from run to run; what the GPU has does not.
    let workspace = usize::try_from(info::memory(&gpu.device)?.total / 4)?;
    let allowed = Allowed { options: context.options, workspace };
    let Ok(graph) = arrangement.problem(job, fused).graph(context.cudnn) else {
        return Ok(Vec::new());
    };
    let plans = plans(context.cudnn, &graph, allowed, PLANS);
    Ok(plans.into_iter().map(|plan| Way { arrangement, fused, plan }).collect())
}

/// The fastest time of a run in milliseconds, after a first one that loads kernels.
fn measure(
    way: &Way,
    gpu: &Gpu,
    context: &mut CudaContext,
    job: &Job,
    operands: &Operands,
) -> Result<f32> {
    way.run(gpu, context, job, operands)?;
    let timing = Some(CUevent_flags::CU_EVENT_DEFAULT);
    let mut fastest = f32::INFINITY;
    for _ in 0..REPEATS {
        let start = gpu.stream.record_event(timing).w()?;
        way.run(gpu, context, job, operands)?;
        let end = gpu.stream.record_event(timing).w()?;
        fastest = fastest.min(start.elapsed_ms(&end).w()?);
    }
    Ok(fastest)
}

fn name(arrangement: Arrangement, fused: After, g: &Geometry) -> String {
    let after = match fused {
        After::Nothing => "",
        After::Bias => ", bias fused",
        After::BiasRelu => ", bias and ReLU fused",
        After::ZeroWhereNotPositive => ", ReLU's gradient fused",
    };
    format!("{}{after}", arrangement.name(g))
}

fn describe(job: &Job) -> String {
    let g = &job.geometry;
    let pass = match job.pass {
        Pass::Forward => "forward",
        Pass::Data => "gradient of the input",
        Pass::Filter => "gradient of the weights",
    };
    let [(h, w), (kernel_h, kernel_w)] = [g.input, g.kernel];
    format!(
        "{pass}: {} to {} channels, {h}x{w}, kernel {kernel_h}x{kernel_w}, stride {}, batch {}, \
         {:?}",
        g.channels, g.out_channels, g.stride, g.batch, job.storage
    )
}
