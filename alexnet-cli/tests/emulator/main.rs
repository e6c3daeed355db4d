//! The program with CUDA on emulated GPUs: its self-test, whole runs on every kind of device, what
//! is missing or too small, and what a step allocates and waits for. `cargo xtask cuda test` runs
//! it.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout)] // a test says how close it was
#![allow(unreachable_pub)] // the libraries are built by a file of another crate's test

mod faults;
mod gpu_scripts;
mod layers;
#[path = "../../../alexnet-kernels/tests/emulator/libraries.rs"]
mod libraries;
mod runs;
mod steps;
mod traffic;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use serde_json::Value;

/// The batch of every run.
const BATCH: usize = 8;
/// Training images in each of the ten classes of the datasets `short` and `long`: 10 and 30 steps
/// an epoch. The losses on a GPU are read 20 steps at a time.
const SHORT: usize = 8;
const LONG: usize = 24;
/// Test images in each class of the dataset `wide`: more than one batch of an evaluation.
const WIDE: usize = 15;

/// Variables of the environment.
type Settings<'a> = &'a [(&'a str, &'a str)];

/// Where the program runs: a folder with the datasets and, of all tests, the runs.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulator/runs");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    for (name, train_per_class, val_per_class) in
        [("short", SHORT, 1), ("long", LONG, 1), ("wide", 1, WIDE)]
    {
        let images = folder.join(format!("{name}-images"));
        fs::create_dir_all(&images).unwrap();
        let demo = DemoOptions { train_per_class, val_per_class, ..DemoOptions::STANDARD };
        draw_demo(&images, &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, images, folder.join(name));
        prepare(&PrepareOptions { size: 72, ..options }, &|_| ()).unwrap();
    }
    folder
});

/// Runs the program on the emulator.
fn alexnet(arguments: &[&str], settings: Settings<'_>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alexnet"))
        .args(arguments)
        .current_dir(&*FOLDER)
        .env("LD_LIBRARY_PATH", &*libraries::FOLDER)
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

/// Runs the program, which must succeed.
#[track_caller]
fn succeed(arguments: &[&str], settings: Settings<'_>) -> Output {
    let output = alexnet(arguments, settings);
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "alexnet {}: {says}", arguments.join(" "));
    output
}

/// Trains for one epoch into the run `run`.
#[track_caller]
fn train(run: &str, data: &str, more: &[&str], settings: Settings<'_>) -> Output {
    let batch = format!("batch={BATCH}");
    let job = ["train", "--preset", "demo", "--epochs", "1", "--set", &batch];
    succeed(&[&job[..], &["--data", data, "--run", run], more].concat(), settings)
}

/// The events of this name in a run's log.
fn events(run: &str, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(FOLDER.join(run).join("log.jsonl")).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == name).collect()
}

/// The losses of a run, step by step.
fn losses(run: &str) -> Vec<f64> {
    events(run, "step").iter().map(|event| event["loss"].as_f64().unwrap()).collect()
}

/// What the emulator counted in a process that was started with `ALEXNET_EMULATOR_COUNTS`.
fn counts_in(output: &Output) -> BTreeMap<String, i64> {
    let lines = String::from_utf8_lossy(&output.stderr);
    let count = |line: &str| {
        let (what, count) = line.strip_prefix("emulator: ")?.rsplit_once(' ')?;
        Some((what.to_owned(), count.parse().ok()?))
    };
    lines.lines().filter_map(count).collect()
}

/// Every operation and a training step against the formulas.
#[test]
fn the_self_test_passes() {
    let output = succeed(&["selftest", "--device", "cuda:0", "--deterministic"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("cuda:0: all ") && !text.contains("MISS"), "{text}");
}

/// An operation that the GPU refuses is a row that misses, and all others are tested.
#[test]
fn the_self_test_goes_on_after_a_refusal() {
    let job = ["selftest", "--device", "cuda:0", "--precision", "f32", "--json"];
    let output = alexnet(&job, &[("ALEXNET_EMULATOR_WITHOUT_KERNELS", "lrn_")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() > 100, "{text}");
    for row in rows {
        // The network of the step has that layer too.
        let operation = row["operation"].as_str().unwrap();
        let needs = ["lrn", "lrn-pool", "step", "split step"].contains(&operation);
        assert_eq!(row["passed"].as_bool(), Some(!needs), "{row}");
        assert_eq!(row.get("refused").is_some(), needs, "{row}");
    }
}

/// Only a GPU has a profiler.
#[test]
fn the_cpu_is_not_profiled() {
    let output = alexnet(&["bench", "--preset", "demo", "--batch", "1", "--profile"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("only a GPU has a profiler"), "{said}");
}
