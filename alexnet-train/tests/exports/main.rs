//! Exported weights: what other programs compute with them.
//!
//! `ALEXNET_TORCH_PYTHON` names a Python with torch, torchvision, onnx, onnxruntime and
//! safetensors; without it these tests say so and end.
#![allow(clippy::print_stdout)] // what was compared, and why not

mod case;
mod of_others;
mod round_trips;

use std::path::{Path, PathBuf};
use std::process::Command;

use alexnet_model::NetworkSpec;
use alexnet_train::{ExportFormat, Recipe, export};
use case::Case;
use serde_json::Value;

/// The largest distance of logits, over the largest logit.
pub(crate) const TOLERANCE: f64 = 5e-6;

/// The Python that has the other programs.
pub(crate) fn python() -> Option<PathBuf> {
    let python = std::env::var_os("ALEXNET_TORCH_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: ALEXNET_TORCH_PYTHON names no Python with torch and onnxruntime");
    }
    python
}

/// Exports a case in every format, and compares what other programs make of it.
fn compare(python: &Path, name: &str, case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    case.write(&path("case.safetensors"));
    for (format, output) in [
        (ExportFormat::Onnx { with_input: false }, "plain.onnx"),
        (ExportFormat::Onnx { with_input: true }, "picture.onnx"),
        (ExportFormat::Torch, "weights.pth"),
        (ExportFormat::HuggingFace, "hf"),
    ] {
        export(&case.checkpoint, Path::new("case"), format, &path(output)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exports/parity.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    let distances: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{name}: {distances}");
    let distances = distances.as_object().unwrap();
    assert_eq!(distances.len(), 4);
    for (what, distance) in distances {
        assert!(distance.as_f64().unwrap() <= TOLERANCE, "{name}, {what}: {distance}");
    }
}

#[test]
fn other_programs_say_the_same_of_every_preset() {
    let Some(python) = python() else { return };
    for name in NetworkSpec::presets() {
        compare(&python, name, &Case::preset(name));
    }
}

/// Windows that the presets do not have: strides larger than the window, whose last one would begin
/// outside of the map; local layers with stride; names that mean something in Python or in a graph.
const ODD: &str = r#"
name = "odd \"names\""
input = [3, 29, 27]
stored = 33
layers = [
{ name = "input", kind = "conv", filters = 12, kernel = 5, stride = 2, pad = [0, 1, 2, 3], \
groups = 3, init = "fan-in" },
{ name = "logits", kind = "lrn", n = 3, alpha = 0.1, beta = 0.5, k = 1.5, towers = 3, \
alpha_over_n = false },
{ name = "picture", kind = "max-pool", kernel = 2, stride = 3, ceil = true },
{ name = "type", kind = "local", filters = 5, kernel = 2, stride = 2, pad = 1, init = "fan-in" },
{ name = "type.weight", kind = "avg-pool", kernel = 1, stride = 2, ceil = true },
{ name = "a-b", kind = "linear", outputs = 9, init = "fan-in" },
{ name = "t", kind = "tanh" },
{ name = "train", kind = "dropout", keep = 0.7, scale = "at-test" },
{ name = "bfloat16", kind = "linear", outputs = 4, init = "fan-in" },
]"#;

#[test]
fn and_of_a_network_with_odd_windows_and_names() {
    let Some(python) = python() else { return };
    let spec = NetworkSpec::from_toml("odd", &ODD.replace("\\\n", "")).unwrap();
    let recipe = Recipe::preset("cifar", &[("input.scale", "[0.02, 0.03, 0.04]")]).unwrap();
    compare(&python, "odd", &Case::new(spec, recipe));
}
