//! ONNX files of others: known by their operations, and never trusted.

mod foreign;

use std::path::Path;

use alexnet_model::NetworkSpec;
use alexnet_train::{Error, ImportOptions, import};
use candle_core::Tensor;
use foreign::numbers;
use foreign::onnx::{Change, Graph, described, small, zoo};
use foreign::protobuf::{bytes, integer};

/// What an import says of a file that is refused: one line, with these words.
#[track_caller]
fn refused(file: &[u8], words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, file).unwrap();
    let error = import(&path, &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Weights { .. }), "{error:?}");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.len() < 1000 && words.iter().all(|word| text.contains(word)), "{text}");
    text
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Imports a file with the layout of the zoo's, and compares every number.
fn the_zoos(file: &[u8], network: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bvlcalexnet-12.onnx");
    std::fs::write(&path, file).unwrap();
    let imported = import(&path, &ImportOptions::default()).unwrap();
    let spec = &imported.description.network;
    assert_eq!((&spec.name[..], spec.input), (network, [3, 224, 224]));
    assert_eq!(imported.kind, "ONNX file");
    assert_eq!(imported.tensors().len(), 16);
    for (name, tensor) in imported.tensors() {
        let (layer, part) = name.split_once('.').unwrap();
        let theirs = format!("{layer}_{}_0", &part[..1]);
        let mut want = numbers(&theirs, tensor.elem_count());
        if name == "conv1.weight" {
            for filter in want.chunks_exact_mut(3 * 121) {
                let (first, rest) = filter.split_at_mut(121);
                first.swap_with_slice(&mut rest[121..]); // red first
            }
        }
        assert!(values(tensor) == want, "{name}");
    }
}

#[test]
fn the_zoos_alexnet() {
    the_zoos(&zoo(false, Change::default()), "caffe");
    the_zoos(&zoo(true, Change { pool_first: true, ..Change::default() }), "caffenet");
    the_zoos(&zoo(true, Change { rows_are_inputs: true, ..Change::default() }), "caffe");
}

/// Weights of the right shapes in another network.
#[test]
fn other_constants_are_another_network() {
    let padded = zoo(true, Change { conv2_pad: Some(3), ..Change::default() });
    refused(&padded, &["`conv2`", "pad: [2, 2, 2, 2]", "pads: [3, 3, 3, 3]", "no preset"]);
}

#[test]
fn graphs_that_are_no_alexnet() {
    let text = refused(&small(true), &["conv1.weight", "conv3.weight"]);
    assert!(text.contains("family"), "{text}");
    refused(&described(&small(true)), &["what it says of its weights is wrong"]);
    let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
    graph.node("Einsum", &["y"], &[]);
    refused(&graph.file(), &["`Einsum` is no operation of an AlexNet"]);
    let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
    graph.node("Conv", &["nowhere", "b"], &[]);
    refused(&graph.file(), &["`nowhere` is no constant of the graph"]);
    refused(&integer(1, 8).into_iter().chain(bytes(2, b"me")).collect::<Vec<_>>(), &["graph"]);
}

/// No other file is opened, and nothing is allocated for what is not there.
#[test]
fn hostile_graphs() {
    let file = |sizes: &[usize], kind: u64, fields: &[u8]| {
        let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
        graph.described_constant("w", sizes, kind, fields);
        graph.constant("b", &[2], &[0.0; 2]);
        graph.node("Conv", &["w", "b"], &[]);
        graph.file()
    };
    let location = [bytes(1, b"location"), bytes(2, b"/etc/passwd")].concat();
    let external = [bytes(13, &location), integer(14, 1)].concat();
    refused(&file(&[2, 3, 1, 1], 1, &external), &["`w`", "external data", "onnx.save"]);
    refused(&file(&[1 << 40, 1 << 40], 1, &bytes(9, &[0; 8])), &["conv1.weight"]);
    refused(&file(&[2, 3, 1, 1], 7, &bytes(9, &[0; 48])), &["conv"]);
    refused(&file(&[1; 9], 1, &[]), &["too many sizes"]);
    let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
    (0..5000).for_each(|_| graph.node("Relu", &[], &[]));
    refused(&graph.file(), &["at most 4096 nodes"]);
    let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
    graph.node("Relu", &[], &[vec![0x0a; 2 << 20]]);
    refused(&graph.file(), &["at most"]);
    let mut graph = Graph::of("x", [1, 3, 4, 4], true, false);
    (0..5000).for_each(|n| graph.constant(&n.to_string(), &[1], &[0.0]));
    refused(&graph.file(), &["at most 4096 constants"]);
}

#[test]
fn every_truncation_is_one_line() {
    for whole in [small(true), small(false), described(&small(true))] {
        for end in 0..whole.len() {
            refused(&whole[..end], &[]);
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x91;
            refused(&changed, &[]);
        }
    }
}

/// The file of a person, where there is one.
#[test]
fn the_real_file() {
    let Some(folder) = std::env::var_os("ALEXNET_REAL_WEIGHTS") else { return };
    let path = Path::new(&folder).join("bvlcalexnet-12.onnx");
    if path.exists() {
        let imported = import(&path, &ImportOptions::default()).unwrap();
        assert_eq!(imported.description.network.name, "caffe");
        assert!(NetworkSpec::presets().any(|name| name == "caffe"));
    }
}
