//! `bench/gpu.sh` and `bench/gpu_more.sh` on emulated GPUs, with small sizes and a pretended peer:
//! every step is run and named whatever fails before it, and all fit into the time promised.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{FOLDER, libraries};

/// The program, but for the self-test, which has a test of its own and here takes no time. In f32
/// it misses.
const PROGRAM: &str = r#"#!/bin/sh
row() { echo "{\"operation\":\"lrn\",\"what\":\"y\",\"error\":0.5,\"bound\":1.0,\"passed\":$1}"; }
case "$*" in
  "selftest "*f32*--json | "selftest "*--json*" f32") row true; row false; exit 1 ;;
  "selftest "*) row true ;;
  *) exec "$ALEXNET" "$@" ;;
esac
"#;

/// A Python with a PyTorch that runs the step and fails at the convolutions.
const PYTHON: &str = r#"#!/bin/sh
case "$*" in
  *conv_ways.py*) echo "no convolution runs here" >&2; exit 3 ;;
  *torch_alexnet.py*) echo '{"peer": "PyTorch 0 compile", "images_per_second": 0.001}' ;;
  *) exit 1 ;;
esac
"#;

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The steps of a script, each with its limit in seconds.
fn steps(script: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(script).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix("step "));
    let step = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap();
        (name.to_owned(), rest.split_once(' ').unwrap().0.parse().unwrap())
    };
    words.map(step).collect()
}

/// Runs a script and gives back its record.
fn record(script: &Path, folder: &Path) -> String {
    let data = FOLDER.join("short");
    let settings = [
        ("PRESET", "demo"),
        ("WITHOUT", ""),
        ("LARGE", "4"),
        ("SMALL", "2"),
        ("STEPS", "1"),
        ("CPU_STEPS", "1"),
        ("EPOCHS", "1"),
        ("DATA", data.to_str().unwrap()),
        ("LOADERS", "1"),
        ("PEER_DEVICE", "cpu"),
        ("COMMIT", "0123abc"),
        ("PATIENCE", "20"), // the limits are those of a GPU
        ("ALEXNET_EMULATOR_MEMORY", "2000000000"),
        ("ALEXNET_EMULATOR_LARGEST_MATMUL", "1000000000"),
    ];
    let output = Command::new(script)
        .args([folder.join("alexnet"), folder.join("results")])
        .env("PYTHON", folder.join("python"))
        .env("ALEXNET", env!("CARGO_BIN_EXE_alexnet"))
        .env("LD_LIBRARY_PATH", &*libraries::FOLDER)
        .envs(settings)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "a step has failed: {said}");
    fs::read_to_string(folder.join("results/README.md")).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// The line of a step in the record's last table: its name, seconds, limit and end.
#[track_caller]
fn line<'a>(record: &'a str, name: &str) -> Vec<&'a str> {
    let steps = record.split("## Steps").nth(1).unwrap();
    let begin = format!("| {name} |");
    let line = steps.lines().find(|line| line.starts_with(&begin));
    let line = line.unwrap_or_else(|| panic!("no step {name} in {record}"));
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn every_step_is_in_the_record_whatever_fails() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to write the record");
        return;
    }
    let folder = FOLDER.join("gpu-scripts");
    fs::create_dir_all(&folder).unwrap();
    executable(&folder.join("alexnet"), PROGRAM);
    executable(&folder.join("python"), PYTHON);
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name("bench");
    let mut all = Vec::new();
    let mut text = String::new();
    for (script, most) in [("gpu.sh", 560), ("gpu_more.sh", 150)] {
        let script = bench.join(script);
        let steps = steps(&script);
        let limits: u64 = steps.iter().map(|(_, limit)| limit).sum();
        assert!(steps.len() > 5 && limits <= most, "{}: {limits} s", script.display());
        text = record(&script, &folder);
        all.extend(steps);
        // The record of the second script has the steps of the first.
        for (name, limit) in &all {
            assert_eq!(line(&text, name)[2], limit.to_string(), "{name}");
        }
    }
    let end = |name: &str| line(&text, name)[3];
    for fine in ["selftest-bf16", "bench-bf16", "original-bf16", "peer-bf16", "fed-bf16"] {
        assert_eq!(end(fine), "ok", "{fine}: {text}");
    }
    for fine in ["peer-autotune-bf16", "deterministic-bf16", "bench-tf32", "demo", "cpu-threads-16"]
    {
        assert_eq!(end(fine), "ok", "{fine}: {text}");
    }
    assert_eq!((end("conv-ways"), end("selftest-f32")), ("exit code 3", "exit code 1"));
    for says in [
        "commit 0123abc",
        "no convolution runs here",
        "| selftest-f32 | 1 miss | bar 0 miss | **missed** |",
        "| selftest-bf16 | 0 miss | bar 0 miss | met |",
        "of PyTorch's best |",
        "| conv1",
        "weights and images",
    ] {
        assert!(text.contains(says), "no {says:?} in {text}");
    }
    let measured =
        |what: &str| text.lines().any(|l| l.contains(what) && !l.contains("not measured"));
    for what in ["images/s of that step", "with the loader, of", "demo dataset", "PyTorch's best"] {
        assert!(measured(what), "{what} is not measured: {text}");
    }
}
