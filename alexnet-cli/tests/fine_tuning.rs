//! `alexnet train --init` and `alexnet features`, as people use them.

mod common;

use std::path::Path;

use common::World;
use serde_json::Value;

const TRAIN: &str = "train --data data --preset demo --network net.toml --epochs 1 --set batch=16";

/// A folder with a dataset of 40 training images, and a run `first` of it.
fn trained() -> World {
    let world = World::new(20, [4, 1]);
    world.ok(&format!("{TRAIN} --run first"));
    world
}

fn json(world: &World, name: &str) -> Value {
    serde_json::from_slice(&world.bytes(name)).unwrap()
}

#[test]
fn a_run_begins_with_the_layers_of_another_one() {
    let world = trained();
    let said = world.ok(&format!("{TRAIN} --run tuned --init first --layers conv1 --freeze conv1"));
    assert!(said.contains("conv1 from ") && said.contains("; fc2 drawn anew"), "{said}");
    assert!(said.contains("first/final.safetensors"), "{said}");
    let began = &json(&world, "tuned/run.json")["pretrained"];
    assert_eq!(began["layers"], serde_json::json!(["conv1"]));
    assert!(Path::new(began["checkpoint"].as_str().unwrap()).is_absolute(), "{began}");
    let rates = &json(&world, "tuned/run.json")["recipe"]["layers"]["conv1"];
    assert_eq!((&rates["weights"]["rate"], &rates["biases"]["rate"]), (&0.0.into(), &0.0.into()));
    let log = String::from_utf8(world.bytes("tuned/log.jsonl")).unwrap();
    let start: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(&start["pretrained"], began);

    // Without --layers all that agree are taken; pixels of another range are a warning.
    let scaled = "--run scaled --init first/final.safetensors --set input.scale=[0.5,0.5,0.5]";
    let said = world.ok(&format!("{TRAIN} {scaled}"));
    assert!(said.contains("conv1, fc2 from ") && !said.contains("drawn anew"), "{said}");
    assert!(said.contains("warning: ") && said.contains("[0.5, 0.5, 0.5]"), "{said}");
}

#[test]
fn what_cannot_be_taken_is_refused_in_one_line() {
    let world = trained();
    let fails = |arguments: &str, code, words: &[&str]| {
        world.fails(&format!("{TRAIN} --run refused {arguments}"), code, words);
        assert!(!world.path("refused").exists());
    };
    fails("--layers conv1", 2, &["--init"]);
    fails("--init first --layers conv2", 1, &["has no layer `conv2`, did you mean `conv1`?"]);
    fails("--init first --layers fc2..conv1", 1, &["`fc2..conv1` ends before it begins"]);
    fails("--freeze relu1", 1, &["`relu1` has no weights"]);
    fails("--init images", 1, &["images is a folder without final.safetensors"]);
    fails("--init net.toml", 1, &["net.toml", "not a whole safetensors file"]);
    world.fails("train --resume --run first --init first", 1, &["first began without --init"]);
}

#[test]
fn features_of_a_dataset_and_of_images() {
    let world = trained();
    let said = world.ok("features --checkpoint first --data data --output f.safetensors");
    assert!(said.contains("40 × 8 × 6 × 6 from layer relu1: f.safetensors"), "{said}");
    let bytes = world.bytes("f.safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    for (key, value) in [("network", "test"), ("layer", "relu1"), ("split", "train")] {
        assert_eq!(metadata[key], value);
    }
    assert!(metadata["dataset_checksum"].starts_with("crc32:"));
    let classes: Vec<String> = serde_json::from_str(&metadata["classes"]).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("features").unwrap().shape(), [40, 8, 6, 6]);
    let labels = file.tensor("labels").unwrap();
    let labels = labels.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b));
    assert!(classes.len() == 10 && labels.clone().count() == 40 && labels.max() == Some(9));

    // Any number of threads, and an array beside its labels, are the same numbers.
    world.ok("features --checkpoint first --data data --output f.npy --loader-threads 3");
    assert!(bytes.ends_with(&world.bytes("f.npy")[128..]));
    assert!(world.bytes("f.labels.npy").starts_with(b"\x93NUMPY\x01\x00"));

    world.ok("features --checkpoint first --data data --split val --layer fc2 --output v.npy");
    let class = std::fs::read_dir(world.path("images/val")).unwrap().next().unwrap();
    let image = std::fs::read_dir(class.unwrap().path()).unwrap().next().unwrap().unwrap().path();
    let image = image.strip_prefix(world.path("")).unwrap().display().to_string();
    let said = world.ok(&format!("features --checkpoint first --layer fc2 --output i.npy {image}"));
    assert!(said.contains("1 × 10 from layer fc2: i.npy"), "{said}");
    let (rows, row) = (world.bytes("v.npy"), world.bytes("i.npy"));
    // The image is one of the split's; a batch of one may be rounded otherwise.
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes[128..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    assert_eq!(floats(&rows).len(), 100);
    assert!(floats(&rows).chunks(10).any(|other| near(other, &floats(&row))));
}

#[test]
fn features_that_cannot_be_are_refused_and_leave_no_file() {
    let world = trained();
    let fails = |arguments: &str, code, words: &[&str]| {
        world.fails(&format!("features --checkpoint first {arguments}"), code, words);
        let left = |name: &str| world.path(name).exists();
        assert!(!left("f.npy") && !left("f.csv") && !left("f.labels.npy"), "{arguments}");
    };
    fails("--output f.npy", 2, &["--data"]);
    fails("--output f.npy --data data net.toml", 2, &["--data"]);
    fails("--output f.csv --data data", 1, &["f.csv", ".safetensors or .npy"]);
    fails("--output f.npy --data data --layer fc3", 1, &["no layer `fc3`, did you mean `fc2`?"]);
    fails("--output f.npy net.toml", 1, &["net.toml", "no image that this program knows"]);
    fails("--output no/f.npy --data data", 1, &["no/f.npy"]);
    fails("--output data --data data", 1, &["data", ".safetensors or .npy"]);
}
