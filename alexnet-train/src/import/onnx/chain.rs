//! The operations of a graph from its input to its output, which in an AlexNet are a chain.

use std::collections::BTreeMap;

use super::Graph;
use super::constant::Constant;
use crate::import::operation::{Operation, Windows};
use crate::import::problem::{Problem, Result, quoted};
use crate::import::source::SourceTensor;
use crate::onnx::messages::{Attribute, Node, ValueInfo};

/// What the chain has.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) operations: Vec<Operation>,
    /// Weights and biases, called as in our presets.
    pub(super) tensors: Vec<SourceTensor>,
    /// Channels, height and width of what goes in, where the graph says these.
    pub(super) input: Option<[usize; 3]>,
}

/// A chain that is being followed.
struct Walk<'a> {
    constants: &'a BTreeMap<String, Constant>,
    chain: Chain,
    /// How many convolutions there were, and how many dense layers.
    counts: [usize; 2],
    /// The name of a dense layer whose bias is added by the next operation.
    without_bias: Option<String>,
}

impl Chain {
    /// That of a graph.
    pub(super) fn of(graph: &Graph) -> Result<Self> {
        // Older files list their constants among the inputs.
        let given = |info: &&ValueInfo| !graph.constants.contains_key(&info.name);
        let mut inputs = graph.inputs.iter().filter(given);
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            let count = graph.inputs.iter().filter(given).count();
            let problem = Problem::new("its graph has not one input, the images");
            return Err(problem.expected(1, count).advice(OTHER));
        };
        let chain =
            Self { operations: Vec::new(), tensors: Vec::new(), input: sizes_of_images(input) };
        let mut walk =
            Walk { constants: &graph.constants, chain, counts: [0; 2], without_bias: None };
        let mut at = &input.name;
        for node in &graph.nodes {
            // What does not read the images computes sizes, and so does `Shape`.
            let reads = node.input.iter().any(|name| name == at);
            if !reads || node.op_type == "Shape" {
                continue;
            }
            walk.step(node).map_err(|problem| problem.of(&node.name))?;
            at = node.output.first().ok_or_else(|| Problem::new("a node has no output"))?;
        }
        match graph.outputs.first() {
            Some(output) if output.name == *at && walk.without_bias.is_none() => Ok(walk.chain),
            output => {
                let problem = Problem::new("its layers do not lead to its output");
                let name = output.map_or("none".to_owned(), |output| quoted(&output.name));
                Err(problem.expected(quoted(at), name).advice(OTHER))
            }
        }
    }
}

const OTHER: &str = "give the graph of an AlexNet, from images to logits or probabilities";

impl Walk<'_> {
    /// Follows the chain through a node.
    fn step(&mut self, node: &Node) -> Result<()> {
        if let Some(layer) = self.without_bias.take() {
            let [a, b] = [0, 1].map(|place| node.input.get(place).map_or("", String::as_str));
            let bias = if self.constants.contains_key(a) { a } else { b };
            return match &node.op_type[..] {
                "Add" => self.add(bias, format!("{layer}.bias"), false),
                other => Err(Problem::new(format!("{layer} has no bias")).expected("Add", other)),
            };
        }
        let attributes = Attributes(&node.attribute);
        match &node.op_type[..] {
            "Conv" => {
                let windows = attributes.windows()?;
                let groups = attributes.int("group", 1)?;
                self.counts[0] += 1;
                self.layer(node, format!("conv{}", self.counts[0]), false)?;
                self.push(Operation::Conv { windows, groups })
            }
            "Gemm" | "MatMul" => {
                let is_plain = ["alpha", "beta"].iter().all(|it| attributes.float(it, 1.0) == 1.0);
                if !is_plain || attributes.int("transA", 0)? != 0 {
                    return Err(Problem::new("it is no dense layer").advice(OTHER));
                }
                self.counts[1] += 1;
                let name = format!("fc{}", self.counts[0] + self.counts[1]);
                self.layer(node, name, attributes.int("transB", 0)? == 0)?;
                self.push(Operation::Linear)
            }
            "LRN" => {
                let n = attributes.int("size", 0)?;
                let constants = [("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)];
                let constants = constants.map(|(name, usual)| attributes.float(name, usual));
                self.push(Operation::Lrn { n, constants })
            }
            "MaxPool" => self.push(Operation::MaxPool(attributes.windows()?)),
            "AveragePool" => {
                let windows = attributes.windows()?;
                let over_the_edge = windows.ceil || windows.pads != [0; 4];
                if over_the_edge && attributes.int("count_include_pad", 0)? != 0 {
                    let what = "it counts pixels outside of the map";
                    return Err(Problem::new(what).advice(OTHER));
                }
                // PyTorch's adaptive pooling to the size that is there.
                let is_nothing = windows.kernel == [1; 2] && windows.strides == [1; 2];
                if is_nothing { Ok(()) } else { self.push(Operation::AvgPool(windows)) }
            }
            "Relu" => self.push(Operation::Relu),
            "Tanh" => self.push(Operation::Tanh),
            "Flatten" | "Reshape" | "Dropout" | "Identity" | "Softmax" => Ok(()),
            other => {
                let what = format!("{} is no operation of an AlexNet", quoted(other));
                Err(Problem::new(what).advice(OTHER))
            }
        }
    }

    fn push(&mut self, operation: Operation) -> Result<()> {
        self.chain.operations.push(operation);
        Ok(())
    }

    /// Adds the weight and the bias of a node.
    fn layer(&mut self, node: &Node, name: String, transposed: bool) -> Result<()> {
        let input = |place: usize| node.input.get(place).filter(|name| !name.is_empty());
        let weight = input(1).ok_or_else(|| Problem::new("it has no weight"))?;
        self.add(weight, format!("{name}.weight"), transposed)?;
        match input(2) {
            Some(bias) => self.add(bias, format!("{name}.bias"), false)?,
            None if node.op_type == "MatMul" => self.without_bias = Some(name),
            None => return Err(Problem::new("it has no bias").advice(OTHER)),
        }
        Ok(())
    }

    /// Adds the constant `from` under our name for it.
    fn add(&mut self, from: &str, name: String, transposed: bool) -> Result<()> {
        let constant = self.constants.get(from).cloned().ok_or_else(|| {
            Problem::new(format!("its input {} is no constant of the graph", quoted(from)))
                .advice(OTHER)
        })?;
        let tensor = if transposed { constant.transposed(name) } else { constant.tensor(name) };
        self.chain.tensors.push(tensor.map_err(|problem| problem.of(from))?);
        Ok(())
    }
}

/// Channels, height and width of images, where these are numbers.
fn sizes_of_images(input: &ValueInfo) -> Option<[usize; 3]> {
    let dims = &input.kind.as_ref()?.tensor.as_ref()?.shape.as_ref()?.dim;
    let [_, sizes @ ..] = &dims[..] else { return None };
    let sizes = sizes.iter().map(|dim| usize::try_from(dim.value?).ok().filter(|n| *n > 0));
    sizes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// The attributes of a node.
struct Attributes<'a>(&'a [Attribute]);

impl Attributes<'_> {
    fn find(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|attribute| attribute.name == name)
    }

    fn int(&self, name: &str, usual: usize) -> Result<usize> {
        let found = self.find(name).map(|attribute| attribute.i.unwrap_or(0));
        found.map_or(Ok(usual), |value| size(name, value))
    }

    fn float(&self, name: &str, usual: f32) -> f32 {
        self.find(name).map_or(usual, |attribute| attribute.f.unwrap_or(0.0))
    }

    /// `N` whole numbers, `usual` where the node does not say them.
    fn ints<const N: usize>(&self, name: &str, usual: usize) -> Result<[usize; N]> {
        let Some(attribute) = self.find(name) else { return Ok([usual; N]) };
        let values: Vec<usize> =
            attribute.ints.iter().take(N + 1).map(|n| size(name, *n)).collect::<Result<_>>()?;
        let count = attribute.ints.len();
        values
            .try_into()
            .map_err(|_| Problem::new(format!("its {name} has another length")).expected(N, count))
    }

    fn windows(&self) -> Result<Windows> {
        let auto_pad = self.find("auto_pad").and_then(|attribute| attribute.s.as_deref());
        if !matches!(auto_pad, None | Some(b"NOTSET" | b"VALID" | b"")) {
            let problem = Problem::new("its padding is not said but computed (auto_pad)");
            return Err(problem.advice("export it with numbers for its padding"));
        }
        if self.ints::<2>("dilations", 1)? != [1; 2] {
            return Err(Problem::new("its windows have gaps (dilations)").advice(OTHER));
        }
        Ok(Windows {
            kernel: self.ints("kernel_shape", 0)?,
            strides: self.ints("strides", 1)?,
            pads: self.ints("pads", 0)?,
            ceil: self.int("ceil_mode", 0)? != 0,
        })
    }
}

/// A number of pixels or channels.
fn size(name: &str, value: i64) -> Result<usize> {
    let sane = usize::try_from(value).ok().filter(|value| *value <= 1 << 16);
    sane.ok_or_else(|| Problem::new(format!("its {name} cannot be")).expected("0 to 65536", value))
}
