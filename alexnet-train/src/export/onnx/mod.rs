//! Weights as a graph of ONNX.

mod builder;
mod input;
mod layer;
mod layers;
mod local;

use std::path::Path;

use alexnet_data::write_atomic;
use alexnet_model::Shape;
use candle_core::Tensor;
use serde_json::json;

use self::builder::Builder;
use self::layer::Layer;
use super::text::input_in_words;
use super::weights::Weights;
use crate::checkpoint::description::KEY;
use crate::error::Error;
use crate::onnx::messages::{Element, Entry, Graph, Model, OperatorSet};
use crate::onnx::write::write;
use crate::onnx::{IR_VERSION, OPSET};

/// The name of what the network takes.
const INPUT: &str = "input";
/// The name of what it computes.
const LOGITS: &str = "logits";

/// Writes the file `path`. With `with_input` its graph begins with a picture, and else with what
/// the network takes.
pub(super) fn export(weights: &Weights, with_input: bool, path: &Path) -> Result<(), Error> {
    let model = model(weights, with_input)?;
    let tensors = weights.tensors.iter();
    let tensors: Vec<(&str, &Tensor)> = tensors.map(|(name, tensor)| (&name[..], tensor)).collect();
    Ok(write_atomic(path, |file| write(model, &tensors, file))?)
}

/// The file without the weights.
fn model(weights: &Weights, with_input: bool) -> Result<Model, Error> {
    let description = &weights.description;
    let texts = [
        (KEY, weights.description_with_mean()?),
        ("classes", json!(description.classes).to_string()),
    ];
    let entry = |(key, value): (&str, String)| Entry { key: key.to_owned(), value };
    Ok(Model {
        ir_version: IR_VERSION,
        producer_name: "alexnet".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: description.network.about.clone(),
        graph: Some(graph(weights, with_input)?),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: texts.map(entry).into(),
    })
}

/// The graph without the weights.
fn graph(weights: &Weights, with_input: bool) -> Result<Graph, Error> {
    let network = &weights.description.network;
    let parameters = weights.tensors.iter().map(|(name, _)| name.clone());
    let names = [LOGITS, if with_input { input::PICTURE } else { INPUT }].map(str::to_owned);
    let mut graph = Builder::new(&network.name, parameters.chain(names));
    let mut x = match with_input {
        true => input::add(&mut graph, weights, INPUT)?,
        false => {
            let about = input_in_words(&weights.description);
            graph.input(INPUT, Element::F32, &network.input, &about);
            INPUT.to_owned()
        }
    };
    let [channels, height, width] = network.input;
    let mut reads = Shape::Map(channels, height, width);
    let last = network.layers.len() - 1;
    for (index, spec) in network.layers.iter().enumerate() {
        let output = network.output_of(&spec.name)?;
        let layer = Layer { spec, x: &x, y: &spec.name, input: reads, output };
        let y = layer.add_to(&mut graph);
        if y != x && index != last {
            graph.value(&y, &output.dims());
        }
        (x, reads) = (y, output);
    }
    let about = "one number for each class; softmax gives probabilities";
    Ok(graph.end(LOGITS, &reads.dims(), about))
}

#[cfg(test)]
mod tests;
