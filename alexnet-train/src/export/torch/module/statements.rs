//! A network's layers as statements of Python.

use alexnet_model::{LayerKind, LayerSpec, NetworkSpec, Scale, Shape};

use crate::error::Error;

/// The statements that make the layers with parameters.
pub(super) fn parameters(network: &NetworkSpec) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    each_layer(network, |LayerSpec { name, kind }, input, output| {
        let value = match *kind {
            LayerKind::Conv { filters, kernel, stride, pad, groups, .. } => {
                let mut value = format!("nn.Conv2d({}, {filters}, {kernel}", input.channels());
                if stride != 1 {
                    value += &format!(", stride={stride}");
                }
                value += &match own_padding(pad) {
                    Some([0, 0]) | None => String::new(),
                    Some([h, w]) if h == w => format!(", padding={h}"),
                    Some([h, w]) => format!(", padding=({h}, {w})"),
                };
                if groups != 1 {
                    value += &format!(", groups={groups}");
                }
                value + ")"
            }
            LayerKind::Local { kernel, stride, pad, .. } => {
                let size = list(&output.dims());
                format!("Local({}, ({size}), {kernel}, {stride}, {pad})", input.channels())
            }
            LayerKind::Linear { outputs, .. } => {
                format!("nn.Linear({}, {outputs})", input.elem_count())
            }
            _ => return,
        };
        lines.push(format!("{} = {value}", module(name)));
    })?;
    Ok(lines)
}

/// The statements of a forward pass over `x`. An activation is in the line of the layer before it.
pub(super) fn forward(network: &NetworkSpec) -> Result<Vec<String>, Error> {
    let mut lines: Vec<String> = Vec::new();
    each_layer(network, |LayerSpec { name, kind }, input, _| {
        let value = match *kind {
            LayerKind::Conv { pad, .. } => {
                let [top, bottom, left, right] = pad;
                let x = match own_padding(pad) {
                    Some(_) => "x".to_owned(),
                    None => format!("F.pad(x, ({left}, {right}, {top}, {bottom}))"),
                };
                format!("{}({x})", module(name))
            }
            LayerKind::Local { .. } => format!("{}(x)", module(name)),
            LayerKind::Linear { .. } => match input {
                Shape::Vector(_) => format!("{}(x)", module(name)),
                Shape::Map(..) => format!("{}(x.flatten(1))", module(name)),
            },
            LayerKind::Relu => return activate(&mut lines, "F.relu"),
            LayerKind::Tanh => return activate(&mut lines, "torch.tanh"),
            LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n } => {
                // PyTorch's window has the mean of the squares.
                let alpha = if alpha_over_n { alpha } else { alpha * n as f32 };
                let towers = if towers == 1 { String::new() } else { format!(", towers={towers}") };
                format!("lrn(x, {n}, {alpha}, {beta}, {k:?}{towers})")
            }
            LayerKind::MapNorm { n, alpha, beta, k } => {
                format!("map_norm(x, {n}, {alpha}, {beta}, {k:?})")
            }
            LayerKind::MaxPool { kernel, stride, ceil } => {
                format!("F.max_pool2d(x, {kernel}, {stride}{})", over_the_edge(ceil))
            }
            LayerKind::AvgPool { kernel, stride, ceil } => {
                format!("F.avg_pool2d(x, {kernel}, {stride}{})", over_the_edge(ceil))
            }
            LayerKind::Dropout { keep, scale } => {
                let factor = match scale {
                    Scale::AtTraining => String::new(),
                    // PyTorch's divides by `keep` in training; this one multiplies by it at test.
                    Scale::AtTest => format!(" * {keep}"),
                };
                format!("F.dropout(x, 1 - {keep}, self.training){factor}")
            }
        };
        lines.push(value);
    })?;
    Ok(lines.into_iter().map(|value| format!("x = {value}")).collect())
}

/// Puts a function around the line before.
fn activate(lines: &mut Vec<String>, function: &str) {
    let x = lines.pop().unwrap_or("x".to_owned());
    lines.push(format!("{function}({x})"));
}

/// Calls `with` for every layer with one image's activations that it reads and computes.
fn each_layer(
    network: &NetworkSpec,
    mut with: impl FnMut(&LayerSpec, Shape, Shape),
) -> Result<(), Error> {
    let [c, h, w] = network.input;
    let mut input = Shape::Map(c, h, w);
    for layer in &network.layers {
        let output = network.output_of(&layer.name)?;
        with(layer, input, output);
        input = output;
    }
    Ok(())
}

/// The padding, up and down and left and right, that a convolution of PyTorch does itself; `None`
/// where it is not the same on opposite sides.
fn own_padding([top, bottom, left, right]: [usize; 4]) -> Option<[usize; 2]> {
    (top == bottom && left == right).then_some([top, left])
}

/// Where the module of a layer is kept. A name that means something else in Python, or in every
/// module, as `type` does, is no attribute: letters and then digits never do, but for one.
fn module(layer: &str) -> String {
    let digits = layer.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let is_plain = digits.len() < layer.len()
        && !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit());
    match is_plain && layer != "bfloat16" {
        true => format!("self.{layer}"),
        false => format!("self._modules[{}]", serde_json::Value::from(layer)),
    }
}

fn over_the_edge(ceil: bool) -> &'static str {
    if ceil { ", ceil_mode=True" } else { "" }
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
