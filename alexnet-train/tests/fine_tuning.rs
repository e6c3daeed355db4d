//! Runs that begin with the layers of a checkpoint, and layers that are frozen.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use alexnet_model::{Network, NetworkSpec};
use alexnet_train::{Error, Event, Job, Pretrained, PretrainedLayers, Task, train};
use candle_core::{Device, Tensor};
use common::{dataset, job, recipe};

/// Draws and prepares 4 of the demo's classes in `folder`.
fn four_classes(folder: &Path) -> PathBuf {
    let (images, output) = (folder.join("images"), folder.join("data"));
    let options = DemoOptions { image_size: 48, train_per_class: 8, val_per_class: 2, seed: 9 };
    draw_demo(&images, &options, &|_| ()).unwrap();
    for split in ["train", "val"] {
        let mut classes: Vec<PathBuf> =
            fs::read_dir(images.join(split)).unwrap().map(|e| e.unwrap().path()).collect();
        classes.sort();
        classes[4..].iter().for_each(|class| fs::remove_dir_all(class).unwrap());
    }
    let options = PrepareOptions::new(Source::Folder, &images, &output);
    prepare(&PrepareOptions { size: 48, ..options }, &|_| ()).unwrap();
    output
}

/// The weights of a trained run of 10 classes, and a dataset of 4.
fn pretrained(folder: &Path) -> (PathBuf, PathBuf) {
    let (large, small) = (folder.join("large"), folder.join("small"));
    for folder in [&large, &small] {
        fs::create_dir(folder).unwrap();
    }
    let job = job(&dataset(&large, 4, 1), &folder.join("first"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    (job.run.weights(), four_classes(&small))
}

/// `job` with the layers of a checkpoint.
fn from(mut job: Job, checkpoint: &Path, layers: Option<&[&str]>) -> Job {
    if let Task::Start { pretrained, .. } = &mut job.task {
        let layers = layers.map(|layers| layers.iter().map(|&layer| layer.to_owned()).collect());
        *pretrained = Some(Pretrained { checkpoint: checkpoint.to_owned(), layers });
    }
    job
}

/// Runs `job`; its final weights by name, and what the `start` event says it began with.
fn run(job: &Job) -> (HashMap<String, Tensor>, PretrainedLayers) {
    let mut began = None;
    train(job, &mut |event| {
        if let Event::Start { pretrained, .. } = event {
            began.clone_from(pretrained);
        }
    })
    .unwrap();
    let began = *began.unwrap();
    assert_eq!(job.run.config().unwrap().pretrained.as_deref(), Some(&began));
    (candle_core::safetensors::load(job.run.weights(), &Device::Cpu).unwrap(), began)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

fn network(job: &Job) -> NetworkSpec {
    job.run.config().unwrap().network
}

/// With every layer frozen a run ends with what it began with: the layers of the checkpoint, and
/// the others as they are drawn from its seed.
#[test]
fn a_run_begins_with_the_layers_of_a_checkpoint_and_draws_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, data) = pretrained(folder.path());
    let first = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let cases: [(Option<&[&str]>, &[&str]); 2] =
        [(None, &["fc5"]), (Some(&["conv1", "conv3"]), &["conv2", "fc4", "fc5"])];
    for (number, (layers, drawn)) in cases.into_iter().enumerate() {
        let mut frozen = recipe(&[("epochs", "1")]);
        frozen.freeze(&["conv1", "conv2", "conv3", "fc4", "fc5"]);
        let job = job(&data, &folder.path().join(format!("run-{number}")), frozen);
        let job = from(job, &weights, layers);
        let (ended, began) = run(&job);
        assert_eq!(began.drawn, drawn);
        assert_eq!(began.layers.len() + began.drawn.len(), 5);
        assert!(began.checksum.starts_with("crc32:") && began.differences.is_empty());
        let new = Network::new(&network(&job), 3, &Device::Cpu).unwrap().tensors().unwrap();
        assert_eq!(new["fc5.weight"].dims()[0], 4);
        for (name, new) in new {
            let layer = name.split('.').next().unwrap();
            let taken = began.layers.iter().any(|taken| taken == layer);
            let want = if taken { &first[&name] } else { &new };
            assert_eq!(bits(&ended[&name]), bits(want), "{name}");
        }
    }
}

/// Frozen layers stay as they are to the bit, and the others do not; a run that was cut off, in its
/// second epoch or before its first checkpoint, ends as one that was not.
#[test]
fn a_fine_tuned_run_keeps_frozen_layers_and_is_the_same_when_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, data) = pretrained(folder.path());
    let first = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let start = |name: &str, epochs: &str| {
        let mut recipe = recipe(&[("epochs", epochs)]);
        recipe.freeze(&["conv1", "conv2"]);
        from(job(&data, &folder.path().join(name), recipe), &weights, None)
    };
    let whole = start("whole", "2");
    let (ended, _) = run(&whole);
    for (name, tensor) in &first {
        let frozen = name.starts_with("conv1") || name.starts_with("conv2");
        let Some(ended) = ended.get(name).filter(|_| !name.starts_with("fc5")) else { continue };
        if !name.starts_with("input") {
            assert_eq!(bits(ended) == bits(tensor), frozen, "{name}");
        }
    }
    let want = fs::read(whole.run.weights()).unwrap();
    let cut = start("cut", "1");
    run(&cut);
    let cut = Job { task: Task::resume(Some(2)), ..cut };
    run(&cut);
    assert!(fs::read(cut.run.weights()).unwrap() == want);

    let begun = folder.path().join("begun");
    fs::create_dir(&begun).unwrap();
    fs::copy(folder.path().join("whole/run.json"), begun.join("run.json")).unwrap();
    let begun = Job { task: Task::resume(None), ..job(&data, &begun, recipe(&[])) };
    run(&begun);
    assert!(fs::read(begun.run.weights()).unwrap() == want);

    // Without a checkpoint of its own it needs the one it began with, as it was.
    fs::remove_file(begun.run.checkpoint()).unwrap();
    fs::remove_dir_all(begun.run.checkpoints()).unwrap();
    fs::copy(whole.run.weights(), &weights).unwrap();
    let error = train(&begun, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("the run was begun with crc32:"), "{error}");
    assert!(error.contains("first/final.safetensors"), "{error}");
}

#[test]
fn layers_that_do_not_agree_are_refused_by_name_and_leave_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, data) = pretrained(folder.path());
    let path = folder.path().join("run");
    let refused = |layers: Option<&[&str]>, network: Option<NetworkSpec>| {
        let mut job = from(job(&data, &path, recipe(&[("layers", "{}")])), &weights, layers);
        if let (Some(new), Task::Start { network, .. }) = (network, &mut job.task) {
            **network = new;
        }
        let error = train(&job, &mut |_| ()).unwrap_err();
        assert!(!path.exists(), "{error}");
        error
    };
    let error = refused(Some(&["conv1", "fc5"]), None);
    assert!(matches!(error, Error::Checkpoint { .. }));
    let error = error.to_string();
    assert!(error.contains("layer `fc5` has weights [10, "), "{error}");
    assert!(error.contains("but [4, ") && error.contains("leave it out of --layers"), "{error}");
    let error = refused(Some(&["conv7"]), None).to_string();
    assert!(error.contains("has no layer `conv7`, did you mean `conv"), "{error}");
    let flat = r#"name = "flat"
        input = [3, 8, 8]
        layers = [{ name = "fc9", kind = "linear", outputs = 4, init = "fan-in" }]"#;
    let flat = NetworkSpec::from_toml("flat", flat).unwrap();
    let error = refused(None, Some(flat)).to_string();
    assert!(error.contains("no layer of it can be taken: it has no layer `fc9`"), "{error}");
}

/// Layers that learned from pixels of another range are taken, and the difference is said.
#[test]
fn another_range_of_pixels_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, data) = pretrained(folder.path());
    let scaled = recipe(&[("epochs", "1"), ("input.scale", "[0.5, 0.5, 0.5]")]);
    let job = from(job(&data, &folder.path().join("run"), scaled), &weights, None);
    let (_, began) = run(&job);
    let [difference] = &began.differences[..] else { panic!("{:?}", began.differences) };
    assert!(difference.contains("[1.0, 1.0, 1.0]") && difference.contains("[0.5, 0.5, 0.5]"));
}

/// Where a rate becomes 0 the layer stops at once, though layers before it are trained: its
/// velocity does not carry it on.
#[test]
fn a_layer_whose_rate_becomes_0_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = |epochs: &str| {
        let change = r#"{ epoch = 1, layer = "conv2", weights = 0.0, biases = 0.0 }"#;
        let changes = format!(r#"{{ kind = "fixed", changes = [{change}] }}"#);
        let recipe = recipe(&[("epochs", epochs), ("schedule", &changes)]);
        let job = job(&data, &folder.path().join(epochs), recipe);
        train(&job, &mut |_| ()).unwrap();
        candle_core::safetensors::load(job.run.weights(), &Device::Cpu).unwrap()
    };
    let (one, two) = (run("1"), run("2"));
    for (name, tensor) in &one {
        let stays = name.starts_with("conv2") || name.starts_with("input");
        assert_eq!(bits(tensor) == bits(&two[name]), stays, "{name}");
    }
}
