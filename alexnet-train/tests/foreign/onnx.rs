//! Graphs as other programs write them.

use super::numbers;
use super::protobuf::{bytes, integer, varint};

/// A graph that is being written: nodes, constants, and what is said of inputs.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<u8>,
    constants: Vec<u8>,
    inputs: Vec<u8>,
    at: String,
    /// Whether constants are raw bytes, or lists of numbers.
    raw: bool,
    /// Whether constants are among the inputs, as in files of before 2019.
    listed: bool,
}

/// Whole numbers of an attribute: one of kind `INT`, several of kind `INTS`.
fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let mut out = bytes(1, name.as_bytes());
    match values {
        [value] => out.extend([integer(3, *value), integer(20, 2)].concat()),
        values => {
            values.iter().for_each(|value| out.extend(integer(8, *value)));
            out.extend(integer(20, 7));
        }
    }
    out
}

fn float(name: &str, value: f32) -> Vec<u8> {
    let number = [&varint(2 << 3 | 5)[..], &value.to_le_bytes()].concat();
    [bytes(1, name.as_bytes()), number, integer(20, 1)].concat()
}

/// A value of f32 of these sizes.
fn value_info(name: &str, sizes: &[u64]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| bytes(1, &integer(1, *size))).collect();
    let tensor = [integer(1, 1), bytes(2, &sizes)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

impl Graph {
    /// A graph of images of these sizes, called `images`.
    pub(crate) fn of(images: &str, sizes: [u64; 4], raw: bool, listed: bool) -> Self {
        let inputs = bytes(11, &value_info(images, &sizes));
        Self { inputs, at: images.to_owned(), raw, listed, ..Self::default() }
    }

    /// Adds a node that reads what the one before computed, and these constants.
    pub(crate) fn node(&mut self, op: &str, constants: &[&str], attributes: &[Vec<u8>]) {
        let output = format!("value{}", self.nodes.len());
        let mut node = bytes(1, self.at.as_bytes());
        constants.iter().for_each(|name| node.extend(bytes(1, name.as_bytes())));
        node.extend(bytes(2, output.as_bytes()));
        if op == "Dropout" {
            node.extend(bytes(2, format!("_{output}_mask").as_bytes()));
        }
        node.extend(bytes(4, op.as_bytes()));
        attributes.iter().for_each(|attribute| node.extend(bytes(5, attribute)));
        self.nodes.extend(bytes(1, &node));
        self.at = output;
    }

    /// Adds a constant with these numbers.
    pub(crate) fn constant(&mut self, name: &str, sizes: &[usize], numbers: &[f32]) {
        let data = bytes(if self.raw { 9 } else { 4 }, bytemuck::cast_slice(numbers));
        self.described_constant(name, sizes, 1, &data);
    }

    /// Adds a constant of a kind of numbers, with these fields beside name, sizes and kind.
    pub(crate) fn described_constant(
        &mut self,
        name: &str,
        sizes: &[usize],
        kind: u64,
        fields: &[u8],
    ) {
        let mut constant: Vec<u8> =
            sizes.iter().flat_map(|size| integer(1, *size as u64)).collect();
        constant.extend([integer(2, kind), bytes(8, name.as_bytes())].concat());
        constant.extend(fields);
        self.constants.extend(bytes(5, &constant));
        if self.listed {
            let sizes: Vec<u64> = sizes.iter().map(|size| *size as u64).collect();
            self.inputs.extend(bytes(11, &value_info(name, &sizes)));
        }
    }

    /// Adds a convolution or a dense layer with the numbers of its names.
    fn layer(&mut self, op: &str, names: [&str; 2], sizes: &[usize], attributes: &[Vec<u8>]) {
        let bias = &sizes[..1];
        for (name, sizes) in [(names[0], sizes), (names[1], bias)] {
            self.constant(name, sizes, &numbers(name, sizes.iter().product()));
        }
        self.node(op, &names, attributes);
    }

    /// The file.
    pub(crate) fn file(self) -> Vec<u8> {
        let Self { nodes, constants, inputs, at, .. } = self;
        let name = bytes(2, b"graph");
        let output = bytes(12, &value_info(&at, &[1, 1000]));
        let graph = [nodes, name, constants, inputs, output].concat();
        let operators = bytes(8, &[bytes(1, b""), integer(2, 12)].concat());
        [integer(1, 3), bytes(2, b"onnx-caffe2"), bytes(7, &graph), operators].concat()
    }
}

fn windows(kernel: u64, stride: u64, pads: [u64; 4]) -> [Vec<u8>; 3] {
    [ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &pads)]
}

/// How a file is to differ from the zoo's.
#[derive(Default, Clone, Copy)]
pub(crate) struct Change {
    /// Pool before norm, as in `bvlc_reference_caffenet`.
    pub(crate) pool_first: bool,
    /// The padding of conv2, which is 2.
    pub(crate) conv2_pad: Option<u64>,
    /// The weights of dense layers have a row for each input.
    pub(crate) rows_are_inputs: bool,
}

/// `bvlcalexnet-12.onnx` of the ONNX zoo: its names, its operations and the order of both.
pub(crate) fn zoo(raw: bool, change: Change) -> Vec<u8> {
    let mut graph = Graph::of("data_0", [1, 3, 224, 224], raw, true);
    let convs: [(&[usize], u64, u64, u64); 5] = [
        (&[96, 3, 11, 11], 4, 0, 1),
        (&[256, 48, 5, 5], 1, change.conv2_pad.unwrap_or(2), 2),
        (&[384, 256, 3, 3], 1, 1, 1),
        (&[384, 192, 3, 3], 1, 1, 2),
        (&[256, 192, 3, 3], 1, 1, 2),
    ];
    for (number, (sizes, stride, pad, group)) in (1..).zip(convs) {
        let names = [format!("conv{number}_w_0"), format!("conv{number}_b_0")];
        let mut attributes = windows(sizes[2] as u64, stride, [pad; 4]).to_vec();
        attributes.push(ints("group", &[group]));
        graph.layer("Conv", [&names[0], &names[1]], sizes, &attributes);
        graph.node("Relu", &[], &[]);
        let constants = [("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)];
        let mut lrn: Vec<_> = constants.map(|(name, value)| float(name, value)).into();
        lrn.push(ints("size", &[5]));
        let pool = windows(3, 2, [0, 0, 1, 1]);
        match (number, change.pool_first) {
            (1 | 2, true) => {
                graph.node("MaxPool", &[], &pool);
                graph.node("LRN", &[], &lrn);
            }
            (1 | 2, false) => {
                graph.node("LRN", &[], &lrn);
                graph.node("MaxPool", &[], &pool);
            }
            (5, _) => graph.node("MaxPool", &[], &pool),
            _ => {}
        }
    }
    let shape = bytes(7, &[varint(1), varint(9216)].concat());
    graph.described_constant("OC2_DUMMY_1", &[2], 7, &shape);
    graph.node("Reshape", &["OC2_DUMMY_1"], &[]);
    for (number, [outputs, inputs]) in (6..).zip([[4096, 9216], [4096, 4096], [1000, 4096]]) {
        let [weight, bias] = [format!("fc{number}_w_0"), format!("fc{number}_b_0")];
        if change.rows_are_inputs {
            let values = numbers(&weight, outputs * inputs);
            let turned = (0..inputs).flat_map(|i| (0..outputs).map(move |o| o * inputs + i));
            let turned: Vec<f32> = turned.map(|place| values[place]).collect();
            graph.constant(&weight, &[inputs, outputs], &turned);
            graph.constant(&bias, &[outputs], &numbers(&bias, outputs));
            graph.node("MatMul", &[&weight], &[]);
            graph.node("Add", &[&bias], &[]);
        } else {
            let attributes = [float("alpha", 1.0), float("beta", 1.0), ints("transB", &[1])];
            graph.layer("Gemm", [&weight, &bias], &[outputs, inputs], &attributes);
        }
        if number < 8 {
            graph.node("Relu", &[], &[]);
            graph.node("Dropout", &[], &[]);
        }
    }
    graph.node("Softmax", &[], &[]);
    graph.file()
}

/// A convolution and a dense layer.
pub(crate) fn small(raw: bool) -> Vec<u8> {
    let mut graph = Graph::of("x", [1, 3, 4, 4], raw, false);
    graph.layer("Conv", ["a", "b"], &[2, 3, 3, 3], &windows(3, 1, [0; 4]));
    graph.node("MaxPool", &[], &windows(2, 1, [0; 4]));
    graph.node("Flatten", &[], &[ints("axis", &[1])]);
    graph.layer("Gemm", ["c", "d"], &[3, 2], &[ints("transB", &[1])]);
    graph.file()
}

/// The same with a text for whoever reads descriptions.
pub(crate) fn described(file: &[u8]) -> Vec<u8> {
    let entry = [bytes(1, b"alexnet_description"), bytes(2, br#"{"description":{}}"#)].concat();
    [file, &bytes(14, &entry)].concat()
}
