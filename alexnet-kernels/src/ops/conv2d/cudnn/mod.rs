//! Convolution by cuDNN: how each pass runs, chosen once for each shape.
//!
//! There are several arrangements of a convolution in groups (`arrangement.rs`), what follows the
//! convolution is done by cuDNN's kernel or by ours, and cuDNN has several plans for each. All are
//! measured on the data at hand and the fastest is kept. Where results must be the same in every
//! run it is the first that runs, in an order that does not depend on measurements. What cuDNN
//! refuses is no candidate.

mod arrangement;
mod choice;
mod descriptor;
mod graph;
mod plan;

use candle_core::Result;

use self::arrangement::Arrangement;
pub(super) use self::arrangement::Job;
pub(super) use self::graph::{After, Pass};
pub(super) use self::plan::Operands;
use self::plan::Plan;
use crate::cuda::context::{self, CudaContext};
use crate::cuda::gpu::Gpu;
use crate::ops::activation::launch::zero_where_not_positive;
use crate::ops::bias::launch::add_bias;

/// Queues one pass of a convolution and what follows it.
pub(super) fn convolve(gpu: &Gpu, job: &Job, operands: &Operands) -> Result<()> {
    context::with(gpu, |context| {
        let way = context.plan(*job, |context, job| choice::choose(gpu, context, job, operands))?;
        way.run(gpu, context, job, operands)
    })
}

/// How a job runs.
struct Way {
    arrangement: Arrangement,
    /// What cuDNN does after the convolution: all that follows, or nothing.
    fused: After,
    plan: Plan,
}

impl Way {
    fn run(
        &self,
        gpu: &Gpu,
        context: &mut CudaContext,
        job: &Job,
        operands: &Operands,
    ) -> Result<()> {
        let (workspace, handle) = (context.workspace(gpu, self.plan.workspace)?, context.cudnn);
        let extra = if self.fused == After::Nothing { None } else { operands.extra };
        let with = Operands { extra, ..*operands };
        self.arrangement.each(gpu, job, &with, |operands| {
            // SAFETY: the caller keeps the memory of the spans alive, which have the sizes of the
            // job, and the workspace is as large as the plan asks for.
            unsafe { self.plan.run(handle, operands, workspace) }
        })?;
        if self.fused == job.after {
            return Ok(());
        }
        let extra = operands.extra.unwrap_or_default();
        gpu.run(&match job.after {
            After::Nothing => return Ok(()),
            After::Bias => add_bias(job.storage, operands.y, extra, false)?,
            After::BiasRelu => add_bias(job.storage, operands.y, extra, true)?,
            After::ZeroWhereNotPositive => zero_where_not_positive(job.storage, extra, operands.x)?,
        })
    }
}
