//! Logits, other layers' outputs, and gradients.

use std::fs;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::{IMAGE, world};

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[test]
fn logits_are_rows_in_the_order_of_the_images() {
    let folder = "images/val/n02099601 images/val/n01440764";
    let said = world().ok(&format!("logits --checkpoint run {folder} --output l.safetensors"));
    assert_eq!(said, "4 × 10 from layer fc2: l.safetensors\n");
    let bytes = fs::read(world().path("l.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.names(), ["logits"]);
    let logits = floats(file.tensor("logits").unwrap().data());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let images: Vec<String> = serde_json::from_str(&metadata["images"]).unwrap();
    assert_eq!((images.len(), &*images[0], &*metadata["layer"]), (4, IMAGE, "fc2"));
    assert!(metadata["checkpoint_checksum"].len() >= 8, "{metadata:?}");
    // Their softmax is what `predict` says.
    let said = world().ok(&format!("predict --checkpoint run --json --top 10 {folder}"));
    for (line, row) in said.lines().zip(logits.chunks(10)) {
        let line: Value = serde_json::from_str(line).unwrap();
        let most = line["classes"][0]["probability"].as_f64().unwrap();
        let exps = row.iter().map(|logit| f64::from(*logit).exp());
        let largest = exps.clone().fold(0.0, f64::max);
        assert!((largest / exps.sum::<f64>() - most).abs() < 1e-6, "{line}");
    }
    // As an array, and another layer.
    world().ok(&format!("logits --checkpoint run {folder} --output l.npy"));
    assert!(bytes.ends_with(&fs::read(world().path("l.npy")).unwrap()[128..]));
    let said = world()
        .ok(&format!("logits --checkpoint run {IMAGE} --layer conv1 --output c.safetensors"));
    assert!(said.starts_with("1 × 8 × 6 × 6 from layer conv1"), "{said}");
    let bytes = fs::read(world().path("c.safetensors")).unwrap();
    assert_eq!(SafeTensors::deserialize(&bytes).unwrap().names(), ["conv1"]);
    // From standard input it is the same.
    let image = fs::read(world().path(IMAGE)).unwrap();
    world().ok_given("logits --checkpoint run - --layer conv1 --output d.npy", &image);
    assert!(bytes.ends_with(&fs::read(world().path("d.npy")).unwrap()[128..]));
}

#[test]
fn gradients_have_the_names_and_shapes_of_the_weights() {
    let logits = format!("logits --checkpoint run {IMAGE} images/val/n01440764/0001.jpg");
    let said = world().ok(&format!("{logits} --gradients g.safetensors --labels n02099601,0"));
    assert!(said.contains(" of 2 images; 4 gradients: g.safetensors"), "{said}");
    let bytes = fs::read(world().path("g.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let weights = fs::read(world().path("run/final.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    for (name, gradient) in file.tensors() {
        assert_eq!(gradient.shape(), weights.tensor(&name).unwrap().shape(), "{name}");
        assert!(floats(gradient.data()).iter().any(|value| *value != 0.0), "{name}");
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert!(said.starts_with(&format!("loss {:.6} ", metadata["loss"].parse::<f64>().unwrap())));
    // The gradient of a bias of the last layer: the mean of softmax less what is right.
    let classes: Vec<String> = alexnet_data::Dataset::open(&world().path("data"))
        .unwrap()
        .manifest()
        .classes
        .iter()
        .map(|class| class.name.clone())
        .collect();
    let label = classes.iter().position(|name| name == "n02099601").unwrap();
    let labels = [label, 0];
    assert_eq!(metadata["labels"], format!("[{label},0]"));
    world().ok(&format!("{logits} --output two.npy"));
    let rows = floats(&fs::read(world().path("two.npy")).unwrap()[128..]);
    let mut want = [0f64; 10];
    for (row, label) in rows.chunks(10).zip(labels) {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        for (class, logit) in row.iter().enumerate() {
            let right = if class == label { 1.0 } else { 0.0 };
            want[class] += (f64::from(*logit).exp() / sum - right) / 2.0;
        }
    }
    let got = floats(file.tensor("fc2.bias").unwrap().data());
    assert!(
        got.iter().zip(want).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6),
        "{got:?} {want:?}"
    );
    // The same again, and with an array beside it.
    let both = format!("{logits} --gradients h.safetensors --labels n02099601,0 --output b.npy");
    assert_eq!(world().ok(&both).lines().count(), 2);
    assert!(bytes == fs::read(world().path("h.safetensors")).unwrap());
}

#[test]
fn what_cannot_be_is_refused_and_leaves_no_file() {
    let fails = |arguments: &str, code, words: &[&str]| {
        world().fails(&format!("logits --checkpoint run {arguments}"), code, words);
        let left = |name: &str| world().path(name).exists();
        assert!(!left("n.npy") && !left("n.safetensors") && !left("n.csv"), "{arguments}");
    };
    fails(IMAGE, 2, &["--output"]);
    fails(&format!("{IMAGE} --output n.csv"), 1, &["n.csv", ".safetensors or .npy"]);
    fails(&format!("{IMAGE} --output no/n.npy"), 1, &["no/n.npy"]);
    fails(&format!("{IMAGE} net.toml --output n.npy"), 1, &["net.toml: no image"]);
    fails(&format!("{IMAGE} --output n.npy --layer fc3"), 1, &["`fc3`, did you mean `fc2`?"]);
    let gradients = |more: &str| format!("{IMAGE} --gradients n.safetensors {more}");
    fails(&gradients(""), 2, &["--labels"]);
    fails(&gradients("--layer fc2 --labels 1"), 2, &["--output"]);
    fails(&format!("{IMAGE} --output n.npy --labels 1"), 2, &["--gradients"]);
    fails(&gradients("--labels 10"), 1, &["no class `10`", "0 to 9"]);
    fails(&gradients("--labels n02099602"), 1, &["did you mean `n02099601`?"]);
    fails(&gradients("--labels 1,2"), 1, &["2 labels for 1 images"]);
    fails(&format!("{IMAGE} --gradients n.npy --labels 1"), 1, &["n.npy", ".safetensors"]);
    fails(&format!("{IMAGE} --gradients no/n.safetensors --labels 1"), 1, &["no/n.safetensors"]);
    fails(&format!("{IMAGE} --gradients images --labels 1"), 1, &["images"]);
}
