//! The shapes of a graph's values, from those of its inputs: how ONNX's specification has them.

use std::collections::HashMap;

use crate::onnx::messages::{Constant, Graph, Node, ValueInfo};

/// Shapes by name, and the whole numbers that are constants.
pub(super) struct Shapes {
    shapes: HashMap<String, Vec<usize>>,
    numbers: HashMap<String, Vec<usize>>,
}

/// The dimensions that a value is said to have, with so many images.
pub(super) fn stated(value: &ValueInfo, batch: usize) -> Vec<usize> {
    let tensor = value.kind.as_ref().unwrap().tensor.as_ref().unwrap();
    let dims = tensor.shape.as_ref().unwrap().dim.iter();
    dims.map(|dim| dim.value.map_or(batch, |value| value as usize)).collect()
}

impl Shapes {
    /// Those of a graph whose weights have the shapes `weights`, for so many images.
    pub(super) fn of(graph: &Graph, weights: &[(String, Vec<usize>)], batch: usize) -> Self {
        let mut it = Self { shapes: weights.iter().cloned().collect(), numbers: HashMap::new() };
        for Constant { name, dims, data_type, raw_data } in &graph.initializer {
            let dims: Vec<usize> = dims.iter().map(|n| *n as usize).collect();
            let each = if *data_type == 7 { 8 } else { 4 };
            assert_eq!(raw_data.len(), each * dims.iter().product::<usize>(), "{name}");
            if each == 8 {
                let numbers = raw_data.as_chunks().0.iter();
                let numbers = numbers.map(|n| i64::from_le_bytes(*n) as usize).collect();
                it.numbers.insert(name.clone(), numbers);
            }
            it.shapes.insert(name.clone(), dims);
        }
        for input in &graph.input {
            it.shapes.insert(input.name.clone(), stated(input, batch));
        }
        for node in &graph.node {
            let outputs = it.outputs(node);
            for (name, shape) in node.output.iter().zip(outputs) {
                let known = it.shapes.insert(name.clone(), shape);
                assert_eq!(known, None, "two values are called {name}");
            }
        }
        it
    }

    pub(super) fn shape(&self, name: &str) -> &[usize] {
        self.shapes.get(name).unwrap_or_else(|| panic!("no value {name}"))
    }

    fn outputs(&self, node: &Node) -> Vec<Vec<usize>> {
        let inputs: Vec<&[usize]> = node.input.iter().map(|name| self.shape(name)).collect();
        let numbers = |input: usize| &self.numbers[&node.input[input]][..];
        let ints = |name: &str| {
            let attribute = node.attribute.iter().find(|attribute| attribute.name == name);
            let ints = attribute.map(|it| it.ints.iter().map(|n| *n as usize).collect::<Vec<_>>());
            ints.unwrap_or_else(|| vec![1; 2])
        };
        let axis = || node.attribute.iter().find(|it| it.name == "axis").unwrap().i.unwrap();
        let x = inputs[0];
        vec![match &node.op_type[..] {
            "Relu" | "Tanh" | "LRN" | "Cast" => x.to_vec(),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => {
                assert!(inputs[1].len() <= x.len());
                let pairs = x.iter().rev().zip(inputs[1].iter().rev());
                assert!(pairs.clone().all(|(a, b)| a == b || *b == 1), "{}", node.name);
                x.to_vec()
            }
            "Conv" | "MaxPool" | "AveragePool" => {
                let (kernel, strides, pads) = (ints("kernel_shape"), ints("strides"), ints("pads"));
                let along = |d: usize| {
                    assert!(pads[d] < kernel[d] && pads[2 + d] < kernel[d]);
                    (x[2 + d] + pads[d] + pads[2 + d] - kernel[d]) / strides[d] + 1
                };
                let channels = if node.op_type == "Conv" { inputs[1][0] } else { x[1] };
                vec![x[0], channels, along(0), along(1)]
            }
            "Split" => {
                assert_eq!(numbers(1).iter().sum::<usize>(), x[1]);
                let part = |channels: &usize| [&x[..1], &[*channels], &x[2..]].concat();
                return numbers(1).iter().map(part).collect();
            }
            "Concat" => {
                let (mut shape, axis) = (x.to_vec(), axis() as usize);
                shape[axis] = inputs.iter().map(|x| x[axis]).sum();
                shape
            }
            "Flatten" => vec![x[0], x[1..].iter().product()],
            "Gemm" => {
                assert_eq!(inputs[1][1], x[1], "{}", node.name);
                vec![x[0], inputs[1][0]]
            }
            "Pad" => {
                let pads = numbers(1);
                (0..4).map(|d| x[d] + pads[d] + pads[4 + d]).collect()
            }
            "Slice" => {
                let (mut shape, from, to) = (x.to_vec(), numbers(1), numbers(2));
                for (place, axis) in numbers(3).iter().enumerate() {
                    let step = if inputs.len() > 4 { numbers(4)[place] } else { 1 };
                    assert!(to[place] <= x[*axis]);
                    shape[*axis] = (to[place] - from[place]).div_ceil(step);
                }
                shape
            }
            "Transpose" => ints("perm").iter().map(|from| x[*from]).collect(),
            "Reshape" => {
                assert_eq!(
                    numbers(1).iter().product::<usize>(),
                    x.iter().product::<usize>(),
                    "{}",
                    node.name
                );
                numbers(1).to_vec()
            }
            "MatMul" => {
                let last = x.len() - 1;
                assert_eq!(
                    (x[last], &x[..last - 1]),
                    (inputs[1][last - 1], &inputs[1][..last - 1])
                );
                [&x[..last], &inputs[1][last..]].concat()
            }
            other => panic!("{other}"),
        }]
    }
}
