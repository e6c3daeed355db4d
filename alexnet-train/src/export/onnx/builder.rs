//! A graph of ONNX that is built node by node.

use std::collections::BTreeSet;

use crate::onnx::messages::{
    Attribute, AttributeKind, Constant, Dimension, Element, Graph, Node, Shape, TensorType, Type,
    ValueInfo,
};

/// The name of a dimension that is another one from call to call: the number of images.
const BATCH: &str = "batch";

/// A graph that is being built. Every value has a name of its own, and so has every node: that of
/// its first output.
#[derive(Debug)]
pub(super) struct Builder {
    graph: Graph,
    taken: BTreeSet<String>,
}

impl Builder {
    /// A graph without nodes, in which the names `taken` mean something already.
    pub(super) fn new(name: &str, taken: impl IntoIterator<Item = String>) -> Self {
        let graph = Graph { name: name.to_owned(), ..Graph::default() };
        Self { graph, taken: taken.into_iter().collect() }
    }

    /// A name that nothing has yet: `wanted`, if need be with underscores after it.
    fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// Adds the operation `op` of `inputs`, and gives the name of its output.
    pub(super) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attribute: Vec<Attribute>,
    ) -> String {
        let output = self.name(name);
        self.push(&output, op, inputs, attribute, vec![output.clone()]);
        output
    }

    /// Adds an operation of several outputs, and gives their names: `NAME`, `NAME.1`, ….
    pub(super) fn node_of_many(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attribute: Vec<Attribute>,
        outputs: usize,
    ) -> Vec<String> {
        let names = (0..outputs).map(|number| self.name(&format!("{name}.{number}")));
        let names: Vec<String> = names.collect();
        self.push(name, op, inputs, attribute, names.clone());
        names
    }

    fn push(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attribute: Vec<Attribute>,
        output: Vec<String>,
    ) {
        let input = inputs.iter().map(|&input| input.to_owned()).collect();
        let (name, op_type) = (name.to_owned(), op.to_owned());
        self.graph.node.push(Node { input, output, name, op_type, attribute });
    }

    /// Adds a constant of whole numbers, a vector.
    pub(super) fn integers(&mut self, name: &str, values: &[usize]) -> String {
        let raw_data = values.iter().flat_map(|n| (*n as i64).to_le_bytes()).collect();
        self.constant(name, Element::I64, &[values.len()], raw_data)
    }

    /// Adds a constant of these dimensions; none for one number.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, Element::F32, dims, raw_data)
    }

    fn constant(
        &mut self,
        name: &str,
        element: Element,
        dims: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        let name = self.name(name);
        let dims = dims.iter().map(|n| *n as i64).collect();
        let data_type = element.into();
        self.graph.initializer.push(Constant { dims, data_type, name: name.clone(), raw_data });
        name
    }

    /// Says what the graph reads: images of these dimensions, any number of them.
    pub(super) fn input(&mut self, name: &str, element: Element, dims: &[usize], about: &str) {
        let info = info(name, element, dims, about);
        self.graph.input.push(info);
    }

    /// Says which dimensions a value between has.
    pub(super) fn value(&mut self, name: &str, dims: &[usize]) {
        self.graph.value_info.push(info(name, Element::F32, dims, ""));
    }

    /// The graph, which computes what the last node does, `name`.
    pub(super) fn end(mut self, name: &str, dims: &[usize], about: &str) -> Graph {
        if let Some(last) = self.graph.node.last_mut() {
            last.output = vec![name.to_owned()];
        }
        self.graph.output.push(info(name, Element::F32, dims, about));
        self.graph
    }
}

/// A value of a number of images, each of these dimensions.
fn info(name: &str, element: Element, dims: &[usize], about: &str) -> ValueInfo {
    let batch = Dimension { name: Some(BATCH.to_owned()), value: None };
    let fixed = dims.iter().map(|n| Dimension { value: Some(*n as i64), name: None });
    let shape = Shape { dim: [batch].into_iter().chain(fixed).collect() };
    let tensor = TensorType { element: element.into(), shape: Some(shape) };
    let (name, doc_string) = (name.to_owned(), about.to_owned());
    ValueInfo { name, kind: Some(Type { tensor: Some(tensor) }), doc_string }
}

/// An attribute that is a whole number.
pub(super) fn int(name: &str, value: usize) -> Attribute {
    attribute(name, AttributeKind::Int, |it| it.i = Some(value as i64))
}

/// An attribute that is a number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    attribute(name, AttributeKind::Float, |it| it.f = Some(value))
}

/// An attribute that is a list of whole numbers.
pub(super) fn ints(name: &str, values: &[usize]) -> Attribute {
    attribute(name, AttributeKind::Ints, |it| it.ints = values.iter().map(|n| *n as i64).collect())
}

fn attribute(name: &str, kind: AttributeKind, set: impl FnOnce(&mut Attribute)) -> Attribute {
    let mut attribute =
        Attribute { name: name.to_owned(), kind: kind.into(), ..Attribute::default() };
    set(&mut attribute);
    attribute
}
