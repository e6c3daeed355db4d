//! The operations of a file that says all of them, and whether they are those of a network.

use alexnet_model::{LayerKind, LayerSpec, NetworkSpec, Shape};

use super::problem::{Problem, Result, quoted};

/// The kinds of layers, by their words in presets, whose order tells networks apart.
pub(crate) const ORDERED: [&str; 5] = ["conv", "lrn", "max-pool", "avg-pool", "linear"];

/// An operation with its constants; sizes are height and width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operation {
    /// A convolution.
    Conv {
        /// Its windows.
        windows: Windows,
        /// Channel blocks that do not see each other.
        groups: usize,
    },
    /// Local response normalization, where alpha weighs the mean of the squares.
    Lrn {
        /// Window, in channels.
        n: usize,
        /// Weight of the window's squares, exponent, offset.
        constants: [f32; 3],
    },
    /// Max pooling.
    MaxPool(Windows),
    /// Average pooling, over pixels that are there.
    AvgPool(Windows),
    /// A dense layer.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

/// Where the windows of an operation lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Windows {
    /// Their size.
    pub(crate) kernel: [usize; 2],
    /// The steps between them.
    pub(crate) strides: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub(crate) pads: [usize; 4],
    /// Whether a last window may hang over the edge.
    pub(crate) ceil: bool,
}

impl Operation {
    /// Its word in presets.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Lrn { .. } => "lrn",
            Self::MaxPool(_) => "max-pool",
            Self::AvgPool(_) => "avg-pool",
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        }
    }

    /// Whether it computes what a layer does that reads `input` and computes `output`.
    fn is(&self, layer: &LayerSpec, input: Shape, output: Shape) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-6 * b.abs();
        match (*self, layer.kind) {
            (
                Self::Conv { windows, groups: theirs },
                LayerKind::Conv { kernel, stride, pad: [top, bottom, left, right], groups, .. },
            ) => {
                let pads = [top, left, bottom, right];
                let ours = Windows { kernel: [kernel; 2], strides: [stride; 2], pads, ceil: false };
                windows == ours && theirs == groups
            }
            (
                Self::Lrn { n: theirs, constants },
                LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n },
            ) => {
                let alpha = if alpha_over_n { alpha } else { alpha * n as f32 };
                let ours = [alpha, beta, k];
                let same = constants.iter().zip(ours).all(|(a, b)| near(*a, b));
                theirs == n && towers == 1 && same
            }
            (Self::MaxPool(windows), LayerKind::MaxPool { kernel, stride, .. })
            | (Self::AvgPool(windows), LayerKind::AvgPool { kernel, stride, .. }) => {
                windows.kernel == [kernel; 2]
                    && windows.strides == [stride; 2]
                    && windows.pool(input) == Some(output)
            }
            (Self::Linear, LayerKind::Linear { .. })
            | (Self::Relu, LayerKind::Relu)
            | (Self::Tanh, LayerKind::Tanh) => true,
            _ => false,
        }
    }
}

impl Windows {
    /// What a pooling makes of a map, if its windows see what ours would: none begins before the
    /// map, and each has a pixel of it.
    fn pool(&self, input: Shape) -> Option<Shape> {
        let Shape::Map(channels, height, width) = input else { return None };
        let along = |dimension: usize, size: usize| {
            let (before, after) = (self.pads[dimension], self.pads[2 + dimension]);
            let (kernel, stride) = (self.kernel[dimension], self.strides[dimension]);
            let steps = size.checked_add(after)?.checked_sub(kernel)?;
            let steps =
                if self.ceil { steps.div_ceil(stride.max(1)) } else { steps / stride.max(1) };
            let fits = before == 0 && stride > 0 && steps.checked_mul(stride)? < size;
            fits.then_some(steps + 1)
        };
        Some(Shape::Map(channels, along(0, height)?, along(1, width)?))
    }
}

/// The words of those operations whose order tells networks apart.
pub(crate) fn ordered(operations: &[Operation]) -> Vec<&'static str> {
    operations.iter().map(Operation::word).filter(|word| ORDERED.contains(word)).collect()
}

/// Refuses operations that are not those of the network, in their order: weights of the same shapes
/// may be for other strides.
pub(crate) fn check(operations: &[Operation], network: &NetworkSpec) -> Result<()> {
    let [channels, height, width] = network.input;
    let mut input = Shape::Map(channels, height, width);
    let mut found = operations.iter();
    let is_left_out = |layer: &LayerSpec| matches!(layer.kind, LayerKind::Dropout { .. });
    for layer in network.layers.iter().filter(|layer| !is_left_out(layer)) {
        let output = network.output_of(&layer.name).map_err(Problem::said_by)?;
        let operation = found.next();
        if !operation.is_some_and(|operation| operation.is(layer, input, output)) {
            return Err(another(network, layer, operation));
        }
        input = output;
    }
    match found.next() {
        None => Ok(()),
        Some(more) => Err(Problem::new(format!(
            "its tensors are those of network {}, but it goes on after them",
            quoted(&network.name)
        ))
        .expected("its end", format!("{more:?}"))
        .advice("this program has no preset for that network")),
    }
}

/// Refuses what some layers of a file compute, where the network's do something else. There is one
/// entry for each layer of a kind of [`ORDERED`], in their order.
pub(crate) fn check_said(constants: &[Option<Operation>], network: &NetworkSpec) -> Result<()> {
    let [channels, height, width] = network.input;
    let mut input = Shape::Map(channels, height, width);
    let mut said = constants.iter();
    for layer in &network.layers {
        let output = network.output_of(&layer.name).map_err(Problem::said_by)?;
        if ORDERED.contains(&layer.kind.word())
            && let Some(Some(operation)) = said.next()
            && !operation.is(layer, input, output)
        {
            return Err(another(network, layer, Some(operation)));
        }
        input = output;
    }
    Ok(())
}

/// That a layer is not the network's.
fn another(network: &NetworkSpec, layer: &LayerSpec, got: Option<&Operation>) -> Problem {
    let what = format!(
        "its tensors are those of network {}, but its layer {} is another",
        quoted(&network.name),
        quoted(&layer.name)
    );
    let got = got.map_or("its end".to_owned(), |it| format!("{it:?}"));
    let problem = Problem::new(what).expected(format!("{:?}", layer.kind), got);
    problem.advice("this program has no preset for that network")
}
