//! `alexnet export`, as people use it.

use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

const TRAIN: &str = "train --data data --preset demo --network net.toml --epochs 1 --set batch=16 \
    --run run";

/// A folder with a run `run` of a small network.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        let path = |name: &str| world.0.path().join(name);
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 1, seed: 7 };
        draw_demo(&path("images"), &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, path("images"), path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        std::fs::write(path("net.toml"), include_str!("network.toml")).unwrap();
        world.ok(TRAIN);
        world
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails with one line that has all of `words`.
    #[track_caller]
    fn fails(&self, arguments: &str, code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{arguments}: {error}");
    }
}

/// What comes back predicts the same, to the last digit that is printed.
#[test]
fn weights_go_out_and_come_back() {
    let world = World::new();
    let picture = std::fs::read_dir(world.0.path().join("images/val")).unwrap();
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
        assert!(said.starts_with(&format!("{file}: ")) && said.contains(" MB"), "{said}");
        world.ok(&format!("import {file} --output back.safetensors"));
        assert_eq!(predict("back.safetensors"), want, "{format}");
    }
    let module = std::fs::read_to_string(world.0.path().join("w.py")).unwrap();
    assert!(module.contains("class Network(nn.Module):"), "{module}");
    let card = std::fs::read_to_string(world.0.path().join("hub/README.md")).unwrap();
    assert!(card.contains("pipeline_tag: image-classification"), "{card}");
}

#[test]
fn what_cannot_be_exported_is_said_in_a_line() {
    let world = World::new();
    world.fails("export run --to torch --output w.pth --with-input", 1, &["--with-input", "onnx"]);
    world.fails("export run --to caffe --output w", 2, &["caffe", "onnx"]);
    world.fails("export run --to onnx --output data", 1, &["data", "it is a folder"]);
    world.fails("export run --to hf --output net.toml", 1, &["net.toml"]);
    world.fails("export run --to onnx --output nowhere/w.onnx", 1, &["nowhere"]);
    world.fails("export images --to onnx --output w.onnx", 1, &["images", "final.safetensors"]);
    std::fs::write(world.0.path().join("w.py"), "mine").unwrap();
    world.fails("export run --to torch --output w.pth", 1, &["w.py", "not replaced"]);
    assert!(!world.0.path().join("w.pth").exists());
}
