//! The ways to give a convolution in groups to cuDNN: as it is, as one convolution for each group,
//! or as one over all channels.
//!
//! cuDNN's fastest kernels do not know groups. One convolution for each group reads and writes its
//! channels where they are: slices of the same maps, whose pixels lie as far apart as before. One
//! over all channels has weights that are 0 between groups.

use candle_core::Result;

use super::graph::{After, Pass, Problem};
use super::plan::Operands;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::{Span, Storage};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::launch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// As it is, in groups if it has any.
    Whole,
    /// A convolution for each group.
    Apart,
    /// One over all channels, with weights of 0 between groups.
    Dense,
}

/// What is computed at each pass, with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::ops::conv2d) struct Job {
    pub(in crate::ops::conv2d) geometry: Geometry,
    pub(in crate::ops::conv2d) storage: Storage,
    pub(in crate::ops::conv2d) pass: Pass,
    pub(in crate::ops::conv2d) after: After,
}

impl Arrangement {
    /// Those of a convolution, in the order in which they are preferred where none is measured.
    pub(super) fn all(g: &Geometry) -> &'static [Self] {
        match g.groups {
            1 => &[Self::Whole],
            _ => &[Self::Apart, Self::Whole, Self::Dense],
        }
    }

    /// The convolution that cuDNN runs, once or for each group; `after` is what it does itself.
    pub(super) fn problem(self, job: &Job, after: After) -> Problem {
        let Job { geometry: g, storage, pass, .. } = *job;
        let (pixels, group) = ([g.channels, g.out_channels], g.groups);
        let geometry = match self {
            Self::Whole => g,
            Self::Dense => Geometry { groups: 1, ..g },
            Self::Apart => Geometry {
                channels: g.channels / group,
                out_channels: g.out_channels / group,
                groups: 1,
                ..g
            },
        };
        Problem { geometry, pixels, storage, pass, after }
    }

    /// Calls `run` with the operands of each convolution that cuDNN runs.
    pub(super) fn each(
        self,
        gpu: &Gpu,
        job: &Job,
        operands: &Operands,
        mut run: impl FnMut(&Operands) -> Result<()>,
    ) -> Result<()> {
        let Job { geometry: g, storage, pass, after } = job;
        match self {
            Self::Whole => run(operands),
            Self::Apart => (0..g.groups).try_for_each(|group| {
                let bytes = storage.bytes();
                let (x, y) = (group * g.group_channels(), group * g.group_out_channels());
                let extra = operands.extra.map(|extra| match after {
                    After::ZeroWhereNotPositive => from(extra, x, bytes),
                    _ => from(extra, y, size_of::<f32>()),
                });
                run(&Operands {
                    x: from(operands.x, x, bytes),
                    w: from(operands.w, y * g.patch(), bytes),
                    y: from(operands.y, y, bytes),
                    extra,
                })
            }),
            Self::Dense => {
                let dense = Geometry { groups: 1, ..*g };
                let wide = gpu.uninit(*storage, dense.weight_shape())?;
                let with = Operands { w: wide.span, ..*operands };
                let sizes = [g.out_channels, g.taps(), g.group_channels(), g.groups];
                if *pass == Pass::Filter {
                    run(&with)?;
                    gpu.run(&launch::of_groups(*storage, [wide.span, operands.w], sizes)?)
                } else {
                    gpu.run(&launch::with_zeros(*storage, [operands.w, wide.span], sizes)?)?;
                    run(&with)
                }
            }
        }
    }

    pub(super) fn name(self, g: &Geometry) -> String {
        match self {
            Self::Whole if g.groups == 1 => "one".to_owned(),
            Self::Whole => format!("in {} groups", g.groups),
            Self::Apart => format!("{} apart", g.groups),
            Self::Dense => "one with zeros between groups".to_owned(),
        }
    }
}

/// What lies from element `first` on.
fn from(span: Span, first: usize, bytes: usize) -> Span {
    Span { address: span.address + (first * bytes) as u64, length: span.length - first as u64 }
}
