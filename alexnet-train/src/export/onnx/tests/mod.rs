//! Graphs, without a program that runs them: their operations and shapes.

mod inference;

use std::collections::HashMap;

use alexnet_data::{Crop, Exif, Preprocessing, Resample};
use alexnet_model::{NetworkSpec, Shape};
use candle_core::{DType, Device, Tensor};
use prost::Message;

use self::inference::{Shapes, stated};
use super::*;
use crate::checkpoint::description::Description;
use crate::recipe::Recipe;

/// A preset without weights.
fn description(preset: &str) -> Description {
    let network = NetworkSpec::preset(preset).unwrap();
    let side = network.stored.unwrap_or(network.input[1]);
    let (resample, crop, exif) = (Resample::Area, Crop::Centre, Exif::Ignore);
    Description {
        recipe: Recipe::preset(preset, &[]).unwrap(),
        classes: (0..network.classes().unwrap()).map(|class| class.to_string()).collect(),
        network,
        preprocessing: Preprocessing { height: side, width: side, resample, crop, exif },
    }
}

/// The graph of a preset, and the names and shapes of its weights, which are views of one zero.
fn graph_of(preset: &str, with_input: bool) -> (Graph, Vec<(String, Vec<usize>)>) {
    let description = description(preset);
    let zero = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
    let (mut tensors, mut shapes) = (Vec::new(), Vec::new());
    for layer in description.network.fused_layers().unwrap() {
        let Some(weight) = &layer.weight else { continue };
        for (part, shape) in [("weight", &weight[..]), ("bias", &weight[..1])] {
            let name = format!("{}.{part}", layer.name);
            tensors.push((name.clone(), zero.broadcast_as(shape).unwrap()));
            shapes.push((name, shape.to_vec()));
        }
    }
    let side = description.preprocessing.height;
    let mean_image = Tensor::zeros((side, side, 3), DType::F32, &Device::Cpu).unwrap();
    let weights = Weights { description, tensors, mean_image };
    (graph(&weights, with_input).unwrap(), shapes)
}

/// Every value that is said to have a shape has it, and every layer has the shape of the preset.
#[test]
fn shapes_are_those_of_the_presets() {
    for preset in NetworkSpec::presets() {
        for (with_input, batch) in [(false, 1), (true, 3)] {
            let (graph, weights) = graph_of(preset, with_input);
            let shapes = Shapes::of(&graph, &weights, batch);
            for value in graph.value_info.iter().chain(&graph.output) {
                assert_eq!(shapes.shape(&value.name), stated(value, batch), "{preset}");
            }
            let spec = NetworkSpec::preset(preset).unwrap();
            let named: HashMap<&str, Shape> = spec
                .layers
                .iter()
                .map(|layer| (&layer.name[..], spec.output_of(&layer.name).unwrap()))
                .collect();
            let checked = graph.value_info.iter().filter(|value| {
                let dims = named[&value.name[..]].dims();
                assert_eq!(stated(value, batch), [&[batch][..], &dims].concat(), "{preset}");
                true
            });
            let dropped = spec.layers.iter().filter(|layer| {
                let at_training = alexnet_model::Scale::AtTraining;
                matches!(layer.kind, alexnet_model::LayerKind::Dropout { scale, .. }
                    if scale == at_training)
            });
            assert_eq!(checked.count(), spec.layers.len() - 1 - dropped.count(), "{preset}");
            let classes = spec.classes().unwrap();
            assert_eq!(shapes.shape("logits"), [batch, classes], "{preset}");
        }
    }
}

/// `original`, operation by operation.
#[test]
fn the_operations_of_the_original() {
    let (graph, _) = graph_of("original", true);
    let nodes: Vec<String> =
        graph.node.iter().map(|node| format!("{}: {}", node.name, node.op_type)).collect();
    let expected = "\
        picture/crop: Slice, picture/pixels: Cast, input: Sub, conv1: Conv, lrn1/split: Split, \
        lrn1/tower0: LRN, lrn1/tower1: LRN, lrn1: Concat, pool1: MaxPool, relu1: Relu, \
        conv2: Conv, relu2: Relu, lrn2/split: Split, lrn2/tower0: LRN, lrn2/tower1: LRN, \
        lrn2: Concat, norm2/squares: Mul, norm2/means: AveragePool, norm2/weighed: Mul, \
        norm2/scale: Add, norm2/power: Pow, norm2: Div, pool2: MaxPool, conv3: Conv, \
        relu3: Relu, conv4: Conv, relu4: Relu, conv5: Conv, pool5: MaxPool, relu5: Relu, \
        fc6/flat: Flatten, fc6: Gemm, relu6: Relu, drop6: Mul, fc7: Gemm, relu7: Relu, \
        drop7: Mul, fc8: Gemm";
    assert_eq!(nodes.join(", "), expected);
    let conv1 = graph.node.iter().find(|node| node.name == "conv1").unwrap();
    assert_eq!(conv1.input, ["input", "conv1.weight", "conv1.bias"]);
    let ints =
        |name: &str| &conv1.attribute.iter().find(|attribute| attribute.name == name).unwrap().ints;
    assert_eq!((ints("strides"), ints("pads")), (&vec![4, 4], &vec![0, 0, 3, 3]));
    let (input, output) = (&graph.input[0], &graph.output[0]);
    assert_eq!((&input.name[..], stated(input, 9)), ("picture", vec![9, 3, 256, 256]));
    assert_eq!((&output.name[..], stated(output, 9)), ("logits", vec![9, 1000]));
}

/// A dropout that scales in training is nothing here, and neither is a scale of one.
#[test]
fn what_computes_nothing_has_no_operation() {
    let (graph, _) = graph_of("torchvision", false);
    assert!(graph.node.iter().all(|node| node.op_type != "Mul"));
    let fc6 = graph.node.iter().find(|node| node.name == "fc6/flat").unwrap();
    assert_eq!(fc6.input, ["pool5"]);
}

/// The texts say what an import needs.
#[test]
fn the_texts_of_a_file() {
    let description = description("demo");
    let mean_image = Tensor::ones((72, 72, 3), DType::F32, &Device::Cpu).unwrap();
    let weights = Weights { description: description.clone(), tensors: Vec::new(), mean_image };
    let model = model(&weights, false).unwrap();
    let back = Model::decode(&model.encode_to_vec()[..]).unwrap();
    assert_eq!(back, model);
    let text = |key: &str| &back.metadata_props.iter().find(|it| it.key == key).unwrap().value[..];
    let (read, mean) = Description::from_text(text(KEY)).unwrap();
    assert_eq!((read, mean), (description.clone(), Some(vec![1.0; 72 * 72 * 3])));
    let classes: Vec<String> = serde_json::from_str(text("classes")).unwrap();
    assert_eq!(classes, description.classes);
}
