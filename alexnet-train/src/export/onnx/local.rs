//! A local layer as ONNX's operations.
//!
//! ```text
//! windows (B, k·k·C, H', W')   one slice of the padded map for each place (i, j) of the window
//! y (H', W', B, O) = windows (H', W', B, k·k·C) × weights (H', W', k·k·C, O)
//! ```
//!
//! The weights stay in the layout of the file, `(O·H'·W', C·k·k)`. Programs that run graphs compute
//! once what depends on constants alone, so that turning them costs nothing from call to call.

use alexnet_model::{LayerKind, Shape};

use super::builder::{Builder, int, ints};
use super::layer::Layer;

/// Adds a local layer with these parameters, and gives the name of its result.
pub(super) fn add(graph: &mut Builder, layer: &Layer<'_>, [weight, bias]: [&str; 2]) -> String {
    let (
        LayerKind::Local { filters, kernel, stride, pad, .. },
        Shape::Map(c, ..),
        Shape::Map(_, h, w),
    ) = (layer.spec.kind, layer.input, layer.output)
    else {
        return layer.x.to_owned(); // a network has no local layer of other shapes
    };
    let part = |name: &str| layer.part(name);
    let reshape = |graph: &mut Builder, name: &str, x: &str, dims: &[usize]| {
        let shape = graph.integers(&part(&format!("{name}.shape")), dims);
        graph.node(&part(name), "Reshape", &[x, &shape], Vec::new())
    };
    let transpose = |graph: &mut Builder, name: &str, x: &str, order: &[usize]| {
        graph.node(&part(name), "Transpose", &[x], vec![ints("perm", order)])
    };
    let (windows, squares) =
        (windows(graph, layer, [kernel, stride, pad], [h, w]), kernel * kernel);
    let windows = transpose(graph, "by-place", &windows, &[2, 3, 0, 1]); // (H', W', B, k·k·C)

    let apart = reshape(graph, "weight.apart", weight, &[filters, h, w, c, squares]);
    let turned = transpose(graph, "weight.turned", &apart, &[1, 2, 4, 3, 0]); // (H', W', k·k, C, O)
    let weights = reshape(graph, "weight.by-place", &turned, &[h, w, squares * c, filters]);
    let products = graph.node(&part("products"), "MatMul", &[&windows, &weights], Vec::new());

    let maps = transpose(graph, "maps", &products, &[2, 3, 0, 1]); // (B, O, H', W')
    let bias = reshape(graph, "bias.map", bias, &[filters, h, w]);
    graph.node(layer.y, "Add", &[&maps, &bias], Vec::new())
}

/// The windows `(B, k·k·C, H', W')` of the layer's input.
fn windows(
    graph: &mut Builder,
    layer: &Layer<'_>,
    [kernel, stride, pad]: [usize; 3],
    [h, w]: [usize; 2],
) -> String {
    let part = |name: &str| layer.part(name);
    let mut padded = layer.x.to_owned();
    if pad > 0 {
        let pads = graph.integers(&part("pads"), &[0, 0, pad, pad, 0, 0, pad, pad]);
        padded = graph.node(&part("padded"), "Pad", &[layer.x, &pads], Vec::new());
    }
    let axes = graph.integers(&part("axes"), &[2, 3]);
    let steps = graph.integers(&part("steps"), &[stride; 2]);
    let mut slices = Vec::with_capacity(kernel * kernel);
    for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
        let at = |name: &str| part(&format!("{name}.{i}.{j}"));
        let starts = graph.integers(&at("from"), &[i, j]);
        let ends = [i + stride * (h - 1) + 1, j + stride * (w - 1) + 1];
        let ends = graph.integers(&at("to"), &ends);
        let inputs = [&padded[..], &starts, &ends, &axes, &steps];
        slices.push(graph.node(&at("window"), "Slice", &inputs, Vec::new()));
    }
    let slices: Vec<&str> = slices.iter().map(String::as_str).collect();
    graph.node(&part("windows"), "Concat", &slices, vec![int("axis", 1)])
}
