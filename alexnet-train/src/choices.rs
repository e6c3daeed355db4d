//! How a GPU runs the convolutions, as reports and logs say it.

use alexnet_kernels::{Choice, ComputeDevice, Way};
use serde::Serialize;

/// How a GPU runs one pass of a convolution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvolutionChoice {
    /// The pass, the convolution and the storage.
    pub operation: String,
    /// The way that was chosen.
    pub chosen: MeasuredWay,
    /// The fastest of each other way.
    pub others: Vec<MeasuredWay>,
}

/// A way of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredWay {
    /// Its name.
    pub name: String,
    /// The time of a run; `None` where the way is refused.
    pub milliseconds: Option<f32>,
}

impl From<Choice> for ConvolutionChoice {
    fn from(choice: Choice) -> Self {
        let way = |Way { name, milliseconds }| MeasuredWay { name, milliseconds };
        let Choice { operation, chosen, others } = choice;
        Self { operation, chosen: way(chosen), others: others.into_iter().map(way).collect() }
    }
}

/// What the device has chosen since it had chosen so many, the newest last.
pub(crate) fn since(compute: &ComputeDevice, known: usize) -> Vec<ConvolutionChoice> {
    compute.choices().into_iter().skip(known).map(Into::into).collect()
}
