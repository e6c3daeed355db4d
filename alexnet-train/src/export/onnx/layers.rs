//! Every kind of layer as ONNX's operations.
//!
//! Sizes of pooling: ONNX's `ceil_mode` was read differently by programs and by its own versions
//! (whether a last window may begin outside the map, and what an average divides by there). What a
//! last window lacks at the edge is therefore written as padding, which has one meaning: a maximum
//! and an average leave it out. A layer's values have the layer's name.

use alexnet_model::{LayerKind, LayerSpec, Scale, Shape};

use super::builder::{Builder, float, int, ints};
use super::layer::Layer;
use super::local;
use crate::onnx::messages::Attribute;

impl Layer<'_> {
    /// Adds the layer's operations to a graph, and gives the name of its result.
    pub(super) fn add_to(&self, graph: &mut Builder) -> String {
        let &Self { spec: LayerSpec { name, kind }, x, y, .. } = self;
        let [weight, bias] = [format!("{name}.weight"), format!("{name}.bias")];
        match *kind {
            LayerKind::Conv { kernel, stride, pad: [top, bottom, left, right], groups, .. } => {
                let attributes = vec![
                    ints("kernel_shape", &[kernel; 2]),
                    ints("strides", &[stride; 2]),
                    ints("pads", &[top, left, bottom, right]),
                    int("group", groups),
                ];
                graph.node(y, "Conv", &[x, &weight, &bias], attributes)
            }
            LayerKind::Local { .. } => local::add(graph, self, [&weight, &bias]),
            LayerKind::Linear { .. } => self.linear(graph, [&weight, &bias]),
            LayerKind::Relu => graph.node(y, "Relu", &[x], Vec::new()),
            LayerKind::Tanh => graph.node(y, "Tanh", &[x], Vec::new()),
            LayerKind::Lrn { .. } => self.lrn(graph),
            LayerKind::MapNorm { .. } => self.map_norm(graph),
            LayerKind::MaxPool { kernel, stride, .. } => {
                graph.node(y, "MaxPool", &[x], self.windows(kernel, stride))
            }
            LayerKind::AvgPool { kernel, stride, .. } => {
                let mut attributes = self.windows(kernel, stride);
                attributes.push(int("count_include_pad", 0));
                graph.node(y, "AveragePool", &[x], attributes)
            }
            LayerKind::Dropout { scale: Scale::AtTraining, .. } => x.to_owned(),
            LayerKind::Dropout { keep, scale: Scale::AtTest } => {
                let keep = graph.floats(&self.part("keep"), &[], &[keep]);
                graph.node(y, "Mul", &[x, &keep], Vec::new())
            }
        }
    }

    fn linear(&self, graph: &mut Builder, [weight, bias]: [&str; 2]) -> String {
        let flat = match self.input {
            Shape::Vector(_) => self.x.to_owned(),
            Shape::Map(..) => {
                graph.node(&self.part("flat"), "Flatten", &[self.x], vec![int("axis", 1)])
            }
        };
        graph.node(self.y, "Gemm", &[&flat, weight, bias], vec![int("transB", 1)])
    }

    /// ONNX's window has the mean of the squares. Each tower is normalized by itself.
    fn lrn(&self, graph: &mut Builder) -> String {
        let LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n } = self.spec.kind else {
            return self.x.to_owned();
        };
        let alpha = if alpha_over_n { alpha } else { alpha * n as f32 };
        let norm = |graph: &mut Builder, name: &str, x: &str| {
            let constants = [("alpha", alpha), ("beta", beta), ("bias", k)];
            let mut attributes = vec![int("size", n)];
            attributes.extend(constants.map(|(name, value)| float(name, value)));
            graph.node(name, "LRN", &[x], attributes)
        };
        if towers == 1 {
            return norm(graph, self.y, self.x);
        }
        let sizes = vec![self.input.channels() / towers; towers];
        let sizes = graph.integers(&self.part("channels"), &sizes);
        let (inputs, axis) = ([self.x, &sizes], || vec![int("axis", 1)]);
        let parts = graph.node_of_many(&self.part("split"), "Split", &inputs, axis(), towers);
        let parts = parts.iter().enumerate();
        let parts: Vec<String> =
            parts.map(|(t, x)| norm(graph, &self.part(&format!("tower{t}")), x)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        graph.node(self.y, "Concat", &parts, axis())
    }

    /// `x / (k + alpha · mean of the squares)^beta`, where pixels outside the map count as zeros.
    fn map_norm(&self, graph: &mut Builder) -> String {
        let LayerKind::MapNorm { n, alpha, beta, k } = self.spec.kind else {
            return self.x.to_owned();
        };
        let number = |graph: &mut Builder, name: &str, value: f32| {
            graph.floats(&self.part(name), &[], &[value])
        };
        let window = vec![
            ints("kernel_shape", &[n; 2]),
            ints("pads", &[n / 2; 4]),
            int("count_include_pad", 1),
        ];
        let squares = graph.node(&self.part("squares"), "Mul", &[self.x, self.x], Vec::new());
        let means = graph.node(&self.part("means"), "AveragePool", &[&squares], window);
        let alpha = number(graph, "alpha", alpha);
        let weighed = graph.node(&self.part("weighed"), "Mul", &[&means, &alpha], Vec::new());
        let k = number(graph, "k", k);
        let scale = graph.node(&self.part("scale"), "Add", &[&weighed, &k], Vec::new());
        let beta = number(graph, "beta", beta);
        let power = graph.node(&self.part("power"), "Pow", &[&scale, &beta], Vec::new());
        graph.node(self.y, "Div", &[self.x, &power], Vec::new())
    }

    /// The attributes of the windows of a pooling.
    fn windows(&self, kernel: usize, stride: usize) -> Vec<Attribute> {
        let pads = match (self.input, self.output) {
            (Shape::Map(_, h, w), Shape::Map(_, out_h, out_w)) => {
                // The rows that the last window would have, less those that there are.
                let lacks =
                    |out: usize, there: usize| ((out - 1) * stride + kernel).saturating_sub(there);
                [0, 0, lacks(out_h, h), lacks(out_w, w)]
            }
            _ => [0; 4],
        };
        vec![ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &pads)]
    }
}
