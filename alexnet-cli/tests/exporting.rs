//! `alexnet export`, as people use it.

mod common;

use common::World;

const TRAIN: &str = "train --data data --preset demo --network net.toml --epochs 1 --set batch=16 \
    --run run";

/// A folder with a run `run` of a small network.
fn trained() -> World {
    let world = World::new(20, [4, 1]);
    world.ok(TRAIN);
    world
}

/// What comes back predicts the same, to the last digit that is printed.
#[test]
fn weights_go_out_and_come_back() {
    let world = trained();
    let picture = std::fs::read_dir(world.path("images/val")).unwrap();
    let class = picture.map(|entry| entry.unwrap().path()).min().unwrap();
    let picture = std::fs::read_dir(class).unwrap().next().unwrap().unwrap().path();
    let predict = |weights: &str| {
        let picture = picture.display();
        world.ok(&format!("predict --checkpoint {weights} --json {picture}"))
    };
    let want = predict("run");
    for (format, output, file) in [
        ("onnx", "w.onnx", "w.onnx"),
        ("onnx", "p.onnx --with-input", "p.onnx"),
        ("safetensors", "w.safetensors", "w.safetensors"),
        ("torch", "w.pth", "w.pth"),
        ("hf", "hub", "hub/model.safetensors"),
    ] {
        let said = world.ok(&format!("export run --to {format} --output {output}"));
        assert!(said.starts_with(&format!("{file}: ")) && said.contains(" kB"), "{said}");
        world.ok(&format!("import {file} --output back.safetensors"));
        assert_eq!(predict("back.safetensors"), want, "{format}");
    }
    let module = world.read("w.py");
    assert!(module.contains("class Network(nn.Module):"), "{module}");
    let card = world.read("hub/README.md");
    assert!(card.contains("pipeline_tag: image-classification"), "{card}");
}

#[test]
fn what_cannot_be_exported_is_said_in_a_line() {
    let world = trained();
    world.fails("export run --to torch --output w.pth --with-input", 1, &["--with-input", "onnx"]);
    world.fails("export run --to caffe --output w", 2, &["caffe", "onnx"]);
    world.fails("export run --to onnx --output data", 1, &["data", "it is a folder"]);
    world.fails("export run --to hf --output net.toml", 1, &["net.toml"]);
    world.fails("export run --to onnx --output nowhere/w.onnx", 1, &["nowhere"]);
    world.fails("export images --to onnx --output w.onnx", 1, &["images", "final.safetensors"]);
    std::fs::write(world.path("w.py"), "mine").unwrap();
    world.fails("export run --to torch --output w.pth", 1, &["w.py", "not replaced"]);
    assert!(!world.path("w.pth").exists());
}
