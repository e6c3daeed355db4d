//! A network's layers with their shapes, parameters and multiply-adds worked out.

use serde::Serialize;

use crate::{LayerKind, LayerSpec, NetworkSpec, Op, SpecError};

/// The shape of one image's activations between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Channels, height, width.
    Map(usize, usize, usize),
    /// So many numbers.
    Vector(usize),
}

impl Shape {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match *self {
            Self::Map(c, h, w) => c * h * w,
            Self::Vector(n) => n,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

/// Which channels a layer puts out, or numbers where it puts out a vector: all of them, or those of one tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many are before them.
    pub first: usize,
    /// How many they are.
    pub count: usize,
    /// How many the towers have together.
    pub whole: usize,
}

impl Share {
    /// All of `whole`.
    pub fn all(whole: usize) -> Self {
        Self { first: 0, count: whole, whole }
    }

    /// Their places in the whole.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.count
    }
}

/// A layer with all that follows from the layers before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The layer as the network's description has it.
    pub spec: LayerSpec,
    /// Its operation.
    pub op: Op,
    /// One image's activations before it.
    pub input: Shape,
    /// One image's activations after it.
    pub output: Shape,
    /// Shape of its weights on disk, PyTorch's: `(O, I/groups, kH, kW)` or `(O, I)`; its bias is `(O)`.
    pub weight: Option<Vec<usize>>,
    /// Multiply-adds of one image's forward pass; only convolutions and dense layers count, as is usual.
    pub macs: u64,
    /// Its outputs among those of the layer that it is one tower's part of; and its rows of weights and biases too.
    pub share: Share,
}

impl Layer {
    pub(crate) fn new(
        spec: LayerSpec,
        [input, output]: [Shape; 2],
        weight: Option<Vec<usize>>,
    ) -> Self {
        let per_output = weight.as_ref().map_or(0, |w| w[1..].iter().product::<usize>());
        let macs = (output.len() * per_output) as u64;
        let share = Share::all(output.channels());
        Self { op: spec.kind.op(), spec, input, output, weight, macs, share }
    }

    /// Weights and biases together.
    pub fn parameters(&self) -> u64 {
        let of = |w: &Vec<usize>| w.iter().product::<usize>() + w[0];
        self.weight.as_ref().map_or(0, of) as u64
    }
}

/// All layers of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers(pub(crate) Vec<Layer>);

impl Layers {
    /// Works out every layer of `spec`.
    ///
    /// # Errors
    ///
    /// [`SpecError::Layer`] for the first layer that cannot be, and why.
    pub fn new(spec: &NetworkSpec) -> Result<Self, SpecError> {
        let fail = |layer: &str, reason: String| SpecError::Layer {
            network: spec.name.clone(),
            layer: layer.to_owned(),
            reason,
        };
        let [c, h, w] = spec.input;
        // Far above any network of this kind, far below what overflows a product of them.
        let sane = |n: usize| (1..=1 << 16).contains(&n);
        if !(1..=64).contains(&spec.towers) {
            return Err(fail("towers", format!("a network in {} towers", spec.towers)));
        }
        if ![c, h, w].into_iter().all(sane) {
            return Err(fail("input", format!("{c}x{h}x{w} is not the shape of an image")));
        }
        let mut input = Shape::Map(c, h, w);
        let mut layers: Vec<Layer> = Vec::with_capacity(spec.layers.len());
        for layer in &spec.layers {
            if layers.iter().any(|l| l.spec.name == layer.name) {
                return Err(fail(&layer.name, "two layers have this name".to_owned()));
            }
            let (output, weight) = infer(&layer.kind, input).map_err(|e| fail(&layer.name, e))?;
            if !output.dims().into_iter().all(sane) {
                return Err(fail(&layer.name, format!("output {:?} is too large", output.dims())));
            }
            if weight.as_ref().is_some_and(|w| product(w).is_none()) {
                return Err(fail(&layer.name, format!("weights {weight:?} are too many")));
            }
            layers.push(Layer::new(layer.clone(), [input, output], weight));
            input = output;
        }
        match layers.last().map(|l| l.op) {
            Some(Op::Linear) => Ok(Self(layers)),
            _ => Err(fail(
                "(last)",
                "the last layer must be `linear`: its outputs are the classes".into(),
            )),
        }
    }

    /// The layers, first to last.
    pub fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.0.iter()
    }

    /// The table that `alexnet describe` prints.
    pub fn table(&self) -> Table {
        let row = |l: &Layer| Row {
            name: l.spec.name.clone(),
            kind: l.spec.kind.word(),
            output: l.output.dims(),
            parameters: l.parameters(),
            macs: l.macs,
        };
        Table {
            layers: self.iter().map(row).collect(),
            parameters: self.iter().map(Layer::parameters).sum(),
            macs: self.iter().map(|l| l.macs).sum(),
        }
    }
}

/// A network's layers in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// A row a layer.
    pub layers: Vec<Row>,
    /// Weights and biases of all layers.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub macs: u64,
}

/// One layer in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The layer's name.
    pub name: String,
    /// The layer's kind.
    pub kind: &'static str,
    /// Shape of one image's output: channels, height, width, or just a length.
    pub output: Vec<usize>,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub macs: u64,
}

/// The product of `dims`; `None` beyond what any machine holds.
fn product(dims: &[usize]) -> Option<usize> {
    let n = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    (n < 1 << 40).then_some(n)
}

type Inferred = (Shape, Option<Vec<usize>>);

/// Output shape and weight shape of a layer over `input`.
fn infer(kind: &LayerKind, input: Shape) -> Result<Inferred, String> {
    match (*kind, kind.op(), input) {
        (LayerKind::Linear { outputs, .. }, _, _) => {
            Ok((Shape::Vector(outputs), Some(vec![outputs, input.len()])))
        }
        (LayerKind::Relu, _, _) => Ok((input, None)),
        (LayerKind::Dropout { keep, .. }, _, _) if keep > 0.0 && keep <= 1.0 => Ok((input, None)),
        (LayerKind::Dropout { keep, .. }, _, _) => {
            Err(format!("keep = {keep}, but it is a probability above 0"))
        }
        (kind, _, Shape::Vector(_)) => {
            Err(format!("`{}` needs a map, but a dense layer came before it", kind.word()))
        }
        (
            LayerKind::Conv { filters, kernel, groups, pad, .. },
            Op::Conv(conv),
            Shape::Map(c, h, w),
        ) => {
            if filters.max(kernel) > 1 << 16 || pad.iter().any(|p| *p >= kernel) {
                return Err(format!("{filters} filters of {kernel} px padded by {pad:?}"));
            }
            if groups == 0 || c % groups != 0 || filters % groups != 0 {
                return Err(format!(
                    "{groups} groups do not divide {c} inputs and {filters} filters"
                ));
            }
            let (h, w) = conv.output_size((h, w), (kernel, kernel)).map_err(|e| e.to_string())?;
            Ok((Shape::Map(filters, h, w), Some(vec![filters, c / groups, kernel, kernel])))
        }
        (_, Op::MaxPool(pool), Shape::Map(c, h, w)) => {
            let (h, w) = pool.output_size((h, w)).map_err(|e| e.to_string())?;
            Ok((Shape::Map(c, h, w), None))
        }
        (LayerKind::Lrn { n, .. } | LayerKind::MapNorm { n, .. }, _, _) if n % 2 == 0 => {
            Err(format!("the window must be odd, got n = {n}"))
        }
        (LayerKind::Lrn { towers, .. }, _, Shape::Map(c, ..)) if towers == 0 || c % towers != 0 => {
            Err(format!("{towers} towers do not divide {c} channels"))
        }
        (_, _, map) => Ok((map, None)),
    }
}
