//! The program as people and scripts use it: small runs from data to prediction, JSON, and errors
//! of one line.

#[path = "../src/message.rs"]
#[allow(dead_code)] // what arguments are wrong in is tested by the program
mod message;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use serde_json::Value;

/// Small enough to train within a test.
const NETWORK: &str = include_str!("network.toml");

/// The same in two towers.
const TOWERS: &str = r#"
name = "towers"
input = [3, 16, 16]
towers = 2
layers = [
  { name = "conv1", kind = "conv", filters = 8, kernel = 5, stride = 2, init = {std=0.01, bias=0} },
  { name = "relu1", kind = "relu" },
  { name = "conv2", kind = "conv", filters = 8, kernel = 3, groups = 2, init = {std=0.1, bias=0} },
  { name = "relu2", kind = "relu" },
  { name = "fc3", kind = "linear", outputs = 10, init = { std = 0.1, bias = 0.0 } },
]
"#;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A folder with a small dataset `data`, its images, and a network file.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 2, seed: 7 };
        draw_demo(&path("images"), &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, path("images"), path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        std::fs::write(path("net.toml"), NETWORK).unwrap();
        std::fs::write(path("towers.toml"), TOWERS).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments).current_dir(self.path()).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Fails, and says so in one line that has all of `words`.
    #[track_caller]
    fn fails(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        assert!(!error.contains("panicked"), "{error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?}: no `{word}` in: {error}");
        }
    }

    fn train(&self, run: &str) -> Vec<String> {
        let words = "train --data data --preset demo --network net.toml --epochs 2 --set batch=16";
        let words = words.split(' ').chain(["--seed", "5", "--loader-threads", "2", "--run", run]);
        words.map(str::to_owned).collect()
    }
}

fn strings(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn trains_evaluates_predicts_and_resumes() {
    let world = World::new();
    let said = world.ok(&strings(&world.train("run")));
    for word in [
        "10 classes",
        "epoch   2/2",
        "images/s",
        "centre view: top-1 error",
        "ten views: top-1 error",
        "final.safetensors",
    ] {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    let weights = "run/final.safetensors";
    let score =
        world.json(&["eval", "--data", "data", "--checkpoint", weights, "--views", "10", "--json"]);
    assert_eq!((score["images"].as_u64(), score["views"].as_u64()), (Some(20), Some(10)));
    for key in ["loss", "top1_error", "top5_error"] {
        assert!(score[key].is_f64(), "{key}: {score}");
    }
    let train = world.json(&[
        "eval",
        "--data",
        "data",
        "--checkpoint",
        weights,
        "--split",
        "train",
        "--json",
    ]);
    assert_eq!(train["images"].as_u64(), Some(40));

    let image = "images/val/dotted-disc/0000.jpg";
    let said = world.ok(&["predict", "--checkpoint", weights, image, "--top", "3"]);
    assert_eq!(said.lines().count(), 4, "{said}");
    let said = world.json(&["predict", "--checkpoint", weights, image, "--json", "--views", "10"]);
    let classes = said["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 5);
    assert!(classes[0]["probability"].as_f64() >= classes[1]["probability"].as_f64());

    let report = world.json(&["train", "--resume", "--run", "run", "--epochs", "3", "--json"]);
    assert_eq!(report["validation"][1]["views"].as_u64(), Some(10));
    let log = std::fs::read_to_string(world.path().join("run/log.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|l| l.contains(r#""event":"epoch""#)).count(), 3);
}

/// A tower on each of two devices, which here are both the CPU; resumed and evaluated on one,
/// and on two.
#[test]
fn trains_in_two_towers() {
    let world = World::new();
    let mut train = world.train("run");
    let network = train.iter().position(|word| word == "net.toml").unwrap();
    train[network] = "towers.toml".to_owned();
    train.extend(["--device", "cpu,cpu"].map(str::to_owned));
    let said = world.ok(&strings(&train));
    let line = "a tower on each of 2 devices: activations cross before fc3, by memory they share";
    assert!(said.contains(line), "{said}");
    assert!(said.contains("epoch   2/2"), "{said}");
    world.ok(&["train", "--resume", "--run", "run", "--epochs", "3", "--device", "cpu"]);
    world.ok(&["train", "--resume", "--run", "run", "--epochs", "4", "--device", "cpu,cpu"]);
    let weights = "run/final.safetensors";
    let eval = |device| {
        let words =
            ["eval", "--data", "data", "--checkpoint", weights, "--json", "--device", device];
        world.json(&words)["loss"].as_f64().unwrap()
    };
    let (one, two) = (eval("cpu"), eval("cpu,cpu"));
    assert!((one - two).abs() < 1e-4 * one, "{one}, in two towers {two}");
    let image = "images/val/dotted-disc/0000.jpg";
    world.ok(&["predict", "--checkpoint", weights, image]);

    let on = |device| ["predict", "--checkpoint", weights, image, "--device", device];
    world.fails(&on("cpu,cpu"), &["--device cpu,cpu: this command works on one device"]);
    let mut refused = |device: &str, network: &str, words: &[&str]| {
        let last = train.len() - 1;
        train[last] = device.to_owned();
        let place = train.iter().position(|word| word.ends_with(".toml")).unwrap();
        train[place] = network.to_owned();
        let run = train.iter().position(|word| word == "run" || word == "other").unwrap();
        train[run] = "other".to_owned();
        world.fails(&strings(&train), words);
        assert!(!world.path().join("other").exists());
    };
    refused("cpu,cpu,cpu", "towers.toml", &["`towers` has 2 tower(s), but 3 devices"]);
    refused("cpu,cpu", "net.toml", &["`test` has 1 tower(s), but 2 devices"]);
    refused("cpu,cuda:0", "towers.toml", &["cpu and cuda:0 are of different kinds"]);
    if !cfg!(feature = "cuda") {
        refused("cuda:0", "net.toml", &["cuda:0: this program was built without CUDA; build it"]);
    }
    refused("cpu,", "towers.toml", &["device ``: expected cpu"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let world = World::new();
    let mut bytes = ["a", "b"].map(|run| {
        world.ok(&strings(&world.train(run)));
        std::fs::read(world.path().join(run).join("final.safetensors")).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
    let mut other = world.train("c");
    let seed = other.iter().position(|w| w == "5").unwrap();
    other[seed] = "6".to_owned();
    world.ok(&strings(&other));
    bytes[1] = std::fs::read(world.path().join("c/final.safetensors")).unwrap();
    assert!(bytes[0] != bytes[1]);
}

#[test]
fn describe_counts_as_the_paper_does() {
    let world = World::new();
    let table = world.json(&["describe", "--preset", "original", "--json"]);
    assert_eq!(table["parameters"].as_u64(), Some(60_965_224));
    assert_eq!(table["macs"].as_u64(), Some(724_406_816));
    for key in ["name", "kind", "output", "parameters", "macs"] {
        assert!(!table["layers"][0][key].is_null(), "{key}");
    }
    let said = world.ok(&["describe", "--preset", "one-tower"]);
    assert!(said.contains("59,798,312"), "{said}");
    assert!(world.ok(&["describe", "--network", "net.toml"]).contains("conv1"));
}

#[test]
fn errors_name_the_thing_and_what_to_do() {
    let world = World::new();
    world.ok(&strings(&world.train("run")));
    let weights = "run/final.safetensors";
    let eval = |data, checkpoint| ["eval", "--data", data, "--checkpoint", checkpoint];

    world.fails(&["train", "--data", "nowhere"], &["nowhere"]);
    world.fails(&["train", "--data", "images"], &["images", "not a dataset"]);
    world.fails(
        &["train", "--data", "data", "--preset", "orignal"],
        &["orignal", "did you mean `original`"],
    );
    world.fails(&["train", "--data", "data", "--preset", "original"], &["224", "20", "--size"]);
    world.fails(&["train", "--data", "data", "--epoch", "3"], &["--epoch", "--epochs"]);
    world.fails(
        &["train", "--data", "data", "--preset", "demo", "--set", "momentun=1"],
        &["momentun", "did you mean `momentum`"],
    );
    let set = ["train", "--data", "data", "--preset", "demo", "--set"];
    world.fails(&[&set[..], &["momentum"]].concat(), &["KEY=VALUE"]);
    world.fails(&["train", "--data", "data", "--epochs", "0"], &["--epochs"]);
    world.fails(&["train", "--data", "data", "--epochs", "many"], &["many", "--epochs"]);
    world.fails(&["train", "--data", "data", "--network", "no.toml"], &["no.toml"]);
    world.fails(&["train", "--resume"], &["--run"]);
    world.fails(&["train", "--resume", "--run", "norun"], &["norun", "run.json"]);
    world.fails(&strings(&world.train("run")), &["run", "--resume"]);
    world.fails(&["trian"], &["trian", "train"]);
    world.fails(&["describe", "--preset", "papr"], &["papr", "did you mean `paper`"]);
    world.fails(&eval("nowhere", weights), &["nowhere"]);
    world.fails(&eval("data", "no.safetensors"), &["no.safetensors"]);
    world.fails(&eval("data", "net.toml"), &["net.toml"]);
    world.fails(
        &["eval", "--data", "data", "--checkpoint", weights, "--split", "test"],
        &["test", "train, val"],
    );
    world.fails(&["eval", "--data", "data", "--checkpoint", weights, "--views", "3"], &["3", "10"]);

    // A dataset of other classes, and one of other sizes.
    let prepare_as = |name: &str, images: PathBuf, size| {
        let output = world.path().join(name);
        let options = PrepareOptions::new(Source::Folder, images, output);
        prepare(&PrepareOptions { size, ..options }, &|_| ()).unwrap();
    };
    let images = world.path().join("images");
    prepare_as("large", images.clone(), 24);
    world.fails(&eval("large", weights), &["prepared with --size 20", "with --size 24"]);
    for split in ["train", "val"] {
        std::fs::remove_dir_all(images.join(split).join("dotted-star")).unwrap();
    }
    prepare_as("fewer", images.clone(), 20);
    world.fails(&eval("fewer", weights), &["10", "9", "classes"]);
    for split in ["train", "val"] {
        std::fs::create_dir(images.join(split).join("zebra")).unwrap();
        let from = images.join("train/dotted-disc/0000.jpg");
        std::fs::copy(from, images.join(split).join("zebra/0.jpg")).unwrap();
    }
    prepare_as("other", images, 20);
    world.fails(&eval("other", weights), &["dotted-star", "class 3"]);

    // Another format version, and a damaged manifest.
    let manifest = world.path().join("data/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace(r#""classes""#, r#""klasses""#)).unwrap();
    world.fails(&eval("data", weights), &["manifest.json", "damaged"]);
}

#[test]
fn an_error_is_one_line_that_says_what_to_do() {
    let error = anyhow::anyhow!(
        "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n  0: a backtrace"
    );
    let line = message::one_line(&error.context("lrn"));
    assert!(line.starts_with("lrn: DriverError(CUDA_ERROR_OUT_OF_MEMORY"), "{line}");
    assert!(line.ends_with("smaller batch") && !line.contains('\n'), "{line}");
    let twice = anyhow::anyhow!("no such file").context("no such file");
    assert_eq!(message::one_line(&twice), "no such file");
}

#[test]
fn one_bad_image_does_not_keep_the_others_from_being_predicted() {
    let world = World::new();
    world.ok(&strings(&world.train("run")));
    let weights = "run/final.safetensors";
    let output = world.run(&[
        "predict",
        "--checkpoint",
        weights,
        "net.toml",
        "images/val/dotted-disc/0000.jpg",
    ]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("0000.jpg"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("net.toml") && error.contains("1 of 2"), "{error}");
}

/// The self-test passes here, and misses when a result is made wrong.
#[test]
fn the_self_test_tests() {
    let world = World::new();
    let text = world.ok(&["selftest"]);
    assert!(text.contains("cpu: all ") && !text.contains("MISS"), "{text}");
    let lines = world.ok(&["selftest", "--json"]);
    let rows: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(rows.len() > 100 && rows.iter().all(|row| row["passed"] == true));
    world.fails(&["selftest", "--spoil", "lrn"], &["cpu: ", "comparisons miss"]);
}

#[test]
fn the_bench_measures_the_step_with_a_loader() {
    let world = World::new();
    let bench =
        ["bench", "--preset", "demo", "--batch", "8", "--steps", "1", "--step-only", "--json"];
    let fed = world.json(&[&bench[..], &["--loader-threads", "2"]].concat());
    assert!(fed["fed_images_per_second"].as_f64().unwrap() > 0.0, "{fed}");
    assert_eq!(fed["loader_threads"], 2);
    let alone = world.json(&bench);
    assert!(alone.get("fed_images_per_second").is_none(), "{alone}");
}

/// A device that is not there is one line, before anything is read or written.
#[test]
fn devices_that_are_not_there() {
    let world = World::new();
    let no_gpu = ["--device", "cuda:9"];
    for command in [
        &["train", "--data", "data", "--run", "run"][..],
        &["eval", "--data", "data", "--checkpoint", "none"],
        &["predict", "--checkpoint", "none", "none.jpg"],
        &["bench"],
        &["selftest"],
    ] {
        world.fails(&[command, &no_gpu].concat(), &["cuda:9"]);
    }
    assert!(!world.path().join("run").exists());
}

/// The CPU computes in f32 only, and every command says so in the same line.
#[test]
fn precisions_of_gpus_only() {
    let world = World::new();
    for command in [
        &["train", "--data", "data", "--run", "run"][..],
        &["train", "--data", "data", "--run", "run", "--device", "cpu,cpu"],
        &["eval", "--data", "data", "--checkpoint", "none"],
        &["predict", "--checkpoint", "none", "none.jpg"],
        &["bench"],
        &["selftest"],
    ] {
        for precision in ["bf16", "tf32"] {
            let output = world.run(&[command, &["--precision", precision]].concat());
            let advice = "use --device cuda:0, or --precision f32";
            let line = format!("error: precision {precision} needs a GPU: {advice}\n");
            assert_eq!(String::from_utf8_lossy(&output.stderr), line, "{command:?}");
            assert_eq!(output.status.code(), Some(1));
        }
    }
    assert!(!world.path().join("run").exists());
}
