//! The choice among the ways to run a pass of a convolution.
//!
//! cuDNN lists engines for each way, and several of each are measured. What cuDNN does after a
//! convolution it compiles for each plan, a third of a second on a fast machine. So that is tried
//! only where a run has enough to do, first with one engine, then with more of the ways that come
//! near the fastest.

use std::vec::IntoIter;

use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::sys::CUevent_flags;
use candle_core::{Error, Result, bail};

use super::Way;
use super::arrangement::{Arrangement, Job};
use super::descriptor::Descriptor;
use super::graph::{After, Pass};
use super::plan::{Allowed, Operands, Plan, engines};
use crate::cuda::context::CudaContext;
use crate::cuda::gpu::Gpu;
use crate::cuda::info;
use crate::device::choice;
use crate::device::error::is_out_of_memory;
use crate::ops::conv2d::geometry::Geometry;

/// How many engines of a way are measured, and how many of those whose plans are compiled.
const ENGINES: usize = 8;
const COMPILED: usize = 4;

/// How often each is measured.
const REPEATS: usize = 3;

/// More plans are compiled of ways whose time is at most so many times the fastest.
const NEAR: f32 = 1.2;

/// An engine whose first run takes so many milliseconds is not measured: kernels load in less, and
/// no pass of a batch takes so long on a GPU that trains.
const HOPELESS: f32 = 200.0;

/// The fastest way; where runs must be deterministic, the first that runs.
pub(super) fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    job: &Job,
    operands: &Operands,
) -> Result<Way> {
    let mut search = Search { gpu, context, job, operands, fastest: None, error: None };
    let mut candidates = search.candidates();
    'rounds: for round in 0..ENGINES {
        for candidate in &mut candidates {
            if search.is_worth(candidate, round) {
                search.try_next(candidate)?;
            }
            if search.context.options.deterministic && search.fastest.is_some() {
                break 'rounds;
            }
        }
    }
    let Search { context, fastest, error, .. } = search;
    context.drop_workspace(); // the search needs more than any way does later
    let Some((_, way)) = fastest else {
        match error.filter(is_out_of_memory) {
            Some(error) => return Err(error),
            None => bail!("cuDNN has no way to compute {}", describe(job)),
        }
    };
    let (chosen, others): (Vec<_>, _) = candidates
        .into_iter()
        .partition(|one| (one.arrangement, one.fused) == (way.arrangement, way.fused));
    let measured = |one: Candidate| choice::Way {
        name: name(one.arrangement, one.fused, &job.geometry),
        milliseconds: one.fastest,
    };
    if let Some(chosen) = chosen.into_iter().next().map(measured) {
        let tried = |one: &Candidate| one.fastest.is_some() || one.engines.len() == 0;
        let others = others.into_iter().filter(tried).map(measured).collect();
        context.choices.push(choice::Choice { operation: describe(job), chosen, others });
    }
    Ok(way)
}

/// A way, and what cuDNN lists for it.
struct Candidate {
    arrangement: Arrangement,
    /// What cuDNN does after the convolution.
    fused: After,
    /// The engines that were not measured yet.
    engines: IntoIter<Descriptor>,
    /// The fastest time in milliseconds so far.
    fastest: Option<f32>,
}

struct Search<'a> {
    gpu: &'a Gpu,
    context: &'a mut CudaContext,
    job: &'a Job,
    operands: &'a Operands,
    /// The fastest so far, and its time in milliseconds.
    fastest: Option<(f32, Way)>,
    /// Why the last engine that did not run did not.
    error: Option<Error>,
}

impl Search<'_> {
    /// The arrangements, each with what follows done by cuDNN and by our kernel, in the order in
    /// which they are preferred where none is measured.
    fn candidates(&self) -> Vec<Candidate> {
        let (job, handle) = (self.job, self.context.cudnn);
        let large = operations(&job.geometry) >= self.context.options.compile_from;
        let afters = match (job.after, large) {
            (After::Nothing, _) | (_, false) => vec![After::Nothing],
            (after, true) => vec![after, After::Nothing],
        };
        let all = Arrangement::all(&job.geometry).iter();
        let all = all.flat_map(|&one| afters.iter().map(move |&fused| (one, fused)));
        let candidate = |(arrangement, fused): (Arrangement, After)| {
            let graph = arrangement.problem(job, fused).graph(handle);
            let allowed = Allowed(self.context.options);
            let engines = graph.map_or_else(|_| Vec::new(), |graph| engines(&graph, &allowed));
            Candidate { arrangement, fused, engines: engines.into_iter(), fastest: None }
        };
        all.map(candidate).collect()
    }

    /// Whether another engine of a way is worth measuring, after so many.
    fn is_worth(&self, candidate: &Candidate, tried: usize) -> bool {
        if candidate.fused == After::Nothing || tried == 0 {
            return true;
        }
        match (candidate.fastest, &self.fastest) {
            (Some(time), Some((fastest, _))) => tried < COMPILED && time <= NEAR * fastest,
            _ => false,
        }
    }

    /// Measures the next engine of a way that runs.
    fn try_next(&mut self, candidate: &mut Candidate) -> Result<()> {
        // What is free differs from run to run; what the GPU has does not.
        let most = usize::try_from(info::memory(&self.gpu.device)?.total / 4)?;
        for engine in candidate.engines.by_ref() {
            let plan = match Plan::new(self.context.cudnn, &engine) {
                Ok(plan) if plan.workspace <= most => plan,
                _ => continue,
            };
            let way = Way { arrangement: candidate.arrangement, fused: candidate.fused, plan };
            match self.measure(&way) {
                Ok(time) => {
                    candidate.fastest = Some(candidate.fastest.map_or(time, |old| old.min(time)));
                    if self.fastest.as_ref().is_none_or(|(fastest, _)| time < *fastest) {
                        self.fastest = Some((time, way));
                    }
                    return Ok(());
                }
                Err(error) => self.error = Some(error), // it was listed and does not run
            }
        }
        Ok(())
    }

    /// The fastest time of a run in milliseconds, after a first one that loads kernels. A run that
    /// is far from the fastest way is not repeated.
    fn measure(&mut self, way: &Way) -> Result<f32> {
        let timing = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let mut run = || {
            let start = self.gpu.stream.record_event(timing).w()?;
            way.run(self.gpu, self.context, self.job, self.operands)?;
            let end = self.gpu.stream.record_event(timing).w()?;
            start.elapsed_ms(&end).w()
        };
        let first = run()?;
        if first > HOPELESS && self.fastest.is_some() {
            return Ok(first);
        }
        let mut least = f32::INFINITY;
        for _ in 0..REPEATS {
            least = least.min(run()?);
            if self.fastest.as_ref().is_some_and(|(fastest, _)| least > 2.0 * fastest) {
                break;
            }
        }
        Ok(least)
    }
}

/// Floating-point operations of a run.
fn operations(g: &Geometry) -> u64 {
    2 * (g.batch * g.out_pixels() * g.out_channels * g.patch()) as u64
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
    let (from, to, storage) = (g.channels, g.out_channels, job.storage.name());
    format!(
        "{pass}: {from} to {to} channels, {h}x{w}, kernel {kernel_h}x{kernel_w}, stride {}, batch \
         {}, {storage}",
        g.stride, g.batch
    )
}
