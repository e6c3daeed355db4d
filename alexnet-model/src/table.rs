//! A network in numbers: the table that `alexnet describe` prints.

use serde::Serialize;

use crate::network::fused_layer::FusedLayer;

/// A network's layers in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// A row for each layer of the file.
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

impl Table {
    /// The table of these layers; a ReLU that is fused into another layer has a row of its own.
    pub fn new(layers: &[FusedLayer]) -> Self {
        let row = |name: &str, kind, layer: &FusedLayer, parameters, macs| Row {
            name: name.to_owned(),
            kind,
            output: layer.output.dims(),
            parameters,
            macs,
        };
        let rows = layers.iter().flat_map(|layer| {
            let (parameters, macs) = (layer.parameter_count(), layer.multiply_adds());
            let own = row(&layer.name, layer.kind.word(), layer, parameters, macs);
            let relu = layer.relu.iter().map(|name| row(name, "relu", layer, 0, 0));
            std::iter::once(own).chain(relu).collect::<Vec<_>>()
        });
        Self {
            layers: rows.collect(),
            parameters: layers.iter().map(FusedLayer::parameter_count).sum(),
            macs: layers.iter().map(FusedLayer::multiply_adds).sum(),
        }
    }
}
