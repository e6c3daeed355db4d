//! The shapes of a network's layers: each follows from the layers before it.

use std::ops::Range;

use alexnet_kernels::{AvgPool2d, Conv2dConfig, Local2dConfig, MaxPool2d, Padding};

use super::error::SpecError;
use super::{LayerKind, LayerSpec, NetworkSpec};

/// The shape of one image's activations between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Channels, height, width.
    Map(usize, usize, usize),
    /// So many numbers.
    Vector(usize),
}

impl Shape {
    /// How many numbers there are.
    pub fn elem_count(&self) -> usize {
        self.dims().iter().product()
    }

    /// Channels of a map; of a vector how many numbers.
    pub fn channels(&self) -> usize {
        match *self {
            Self::Map(c, ..) => c,
            Self::Vector(n) => n,
        }
    }

    /// As a list, without the batch.
    pub fn dims(&self) -> Vec<usize> {
        match *self {
            Self::Map(c, h, w) => vec![c, h, w],
            Self::Vector(n) => vec![n],
        }
    }
}

/// Which output channels of a layer a tower computes, and so which rows of its weights it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many channels come before them.
    pub first: usize,
    /// How many channels they are.
    pub count: usize,
    /// How many channels all towers have together.
    pub whole: usize,
}

impl Share {
    /// All of `whole`.
    pub fn all(whole: usize) -> Self {
        Self { first: 0, count: whole, whole }
    }

    /// Their places in the whole.
    pub fn range(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// A layer, or one tower's part of it, with its shapes.
pub(crate) struct ShapedLayer {
    pub(crate) kind: LayerKind,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Shape of its weights as they are on disk, if it has any (`network/parameter.rs`).
    pub(crate) weight: Option<Vec<usize>>,
    pub(crate) share: Share,
}

impl ShapedLayer {
    /// The layer of this kind that reads `input`; all of its outputs are its share.
    pub(crate) fn new(kind: LayerKind, input: Shape) -> Result<Self, String> {
        let (output, weight) = infer(kind, input)?;
        Ok(Self { kind, input, output, weight, share: Share::all(output.channels()) })
    }
}

/// The largest size of anything, far above what networks of this kind have and far below what
/// overflows a product of sizes.
const LARGEST: usize = 1 << 16;

impl NetworkSpec {
    /// Every layer with its shapes; an error for the first layer that cannot be.
    pub(crate) fn shapes(&self) -> Result<Vec<ShapedLayer>, SpecError> {
        let sane = |n: &usize| (1..=LARGEST).contains(n);
        if !(1..=64).contains(&self.towers) {
            return Err(self.wrong("towers", format!("a network in {} towers", self.towers)));
        }
        let [c, h, w] = self.input;
        if !self.input.iter().all(sane) {
            let reason = format!("{c}x{h}x{w} is not the shape of an image");
            return Err(self.wrong("input", reason));
        }
        let mut input = Shape::Map(c, h, w);
        let mut layers: Vec<ShapedLayer> = Vec::with_capacity(self.layers.len());
        for (index, LayerSpec { name, kind }) in self.layers.iter().enumerate() {
            if self.layers[..index].iter().any(|layer| layer.name == *name) {
                return Err(self.wrong(name, "two layers have this name".to_owned()));
            }
            let layer =
                ShapedLayer::new(*kind, input).map_err(|reason| self.wrong(name, reason))?;
            let output = layer.output.dims();
            if !output.iter().all(sane) {
                let reason = format!("output {output:?}, but each size must be 1 to {LARGEST}");
                return Err(self.wrong(name, reason));
            }
            // No machine holds 2⁴⁰ numbers.
            let many = |w: &Vec<usize>| w.iter().map(|n| *n as u128).product::<u128>() >= 1 << 40;
            if layer.weight.as_ref().is_some_and(many) {
                return Err(self.wrong(name, format!("weights {:?} are too many", layer.weight)));
            }
            input = layer.output;
            layers.push(layer);
        }
        match layers.last().map(|layer| layer.kind) {
            Some(LayerKind::Linear { .. }) => Ok(layers),
            _ => {
                let reason = "the last layer must be `linear`: its outputs are the classes";
                Err(self.wrong("(last)", reason.to_owned()))
            }
        }
    }

    /// What is wrong with one layer.
    pub(super) fn wrong(&self, layer: &str, reason: String) -> SpecError {
        SpecError::Layer { network: self.name.clone(), layer: layer.to_owned(), reason }
    }
}

/// The convolution that a layer's constants describe; `pad` is top, bottom, left, right.
pub(crate) fn conv2d_config(stride: usize, pad: [usize; 4], groups: usize) -> Conv2dConfig {
    let [top, bottom, left, right] = pad;
    Conv2dConfig { stride, padding: Padding { top, bottom, left, right }, groups }
}

/// Output shape and weight shape of a layer over `input`.
fn infer(kind: LayerKind, input: Shape) -> Result<(Shape, Option<Vec<usize>>), String> {
    match (kind, input) {
        (LayerKind::Linear { outputs, .. }, _) => {
            Ok((Shape::Vector(outputs), Some(vec![outputs, input.elem_count()]))) // (O, I)
        }
        (LayerKind::Dropout { keep, .. }, _) if !(keep > 0.0 && keep <= 1.0) => {
            Err(format!("keep = {keep}, but it is a probability above 0"))
        }
        (
            LayerKind::Conv { .. }
            | LayerKind::Local { .. }
            | LayerKind::Lrn { .. }
            | LayerKind::MapNorm { .. }
            | LayerKind::MaxPool { .. }
            | LayerKind::AvgPool { .. },
            Shape::Vector(_),
        ) => Err(format!("`{}` needs a map, but a dense layer came before it", kind.word())),
        (LayerKind::Conv { filters, kernel, stride, pad, groups, .. }, Shape::Map(c, h, w)) => {
            if filters.max(kernel) > LARGEST || pad.iter().any(|p| *p >= kernel) {
                return Err(format!("{filters} filters of {kernel} px padded by {pad:?}"));
            }
            if groups == 0 || c % groups != 0 || filters % groups != 0 {
                return Err(format!(
                    "{groups} groups do not divide {c} inputs and {filters} filters"
                ));
            }
            let size = conv2d_config(stride, pad, groups).output_size((h, w), (kernel, kernel));
            let (h, w) = size.map_err(|e| e.to_string())?;
            let weight = vec![filters, c / groups, kernel, kernel]; // (O, I/groups, kH, kW)
            Ok((Shape::Map(filters, h, w), Some(weight)))
        }
        (LayerKind::Local { filters, kernel, stride, pad, .. }, Shape::Map(c, h, w)) => {
            if filters.max(kernel) > LARGEST {
                return Err(format!("{filters} filters of {kernel} px"));
            }
            let config = Local2dConfig { kernel, stride, padding: pad };
            let (h, w) = config.output_size((h, w)).map_err(|e| e.to_string())?;
            let weight = vec![filters * h * w, c * kernel * kernel]; // (O·H'·W', I·k·k)
            Ok((Shape::Map(filters, h, w), Some(weight)))
        }
        (LayerKind::MaxPool { kernel, stride, ceil }, Shape::Map(c, h, w)) => {
            let size = MaxPool2d::new(kernel, stride).ceil(ceil).output_size((h, w));
            let (h, w) = size.map_err(|e| e.to_string())?;
            Ok((Shape::Map(c, h, w), None))
        }
        (LayerKind::AvgPool { kernel, stride, ceil }, Shape::Map(c, h, w)) => {
            let size = AvgPool2d::new(kernel, stride).ceil(ceil).output_size((h, w));
            let (h, w) = size.map_err(|e| e.to_string())?;
            Ok((Shape::Map(c, h, w), None))
        }
        (LayerKind::Lrn { n, .. } | LayerKind::MapNorm { n, .. }, _) if n % 2 == 0 => {
            Err(format!("the window must be odd, got n = {n}"))
        }
        (LayerKind::Lrn { towers, .. }, Shape::Map(c, ..)) if towers == 0 || c % towers != 0 => {
            Err(format!("{towers} towers do not divide {c} channels"))
        }
        _ => Ok((input, None)), // norms and activations leave the shape as it is
    }
}
