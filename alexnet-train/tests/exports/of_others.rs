//! Graphs that other programs wrote compute the same here as in onnxruntime.

use std::path::Path;
use std::process::Command;

use alexnet_kernels::ComputeDevice;
use alexnet_model::Mode;
use alexnet_train::{Checkpoint, ImportOptions, import};
use candle_core::{Device, Tensor};

use super::{TOLERANCE, python};

/// The largest distance of two tensors, over the largest number of the second.
fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (got, want) = (values(got), values(want));
    let largest = |x: &mut dyn Iterator<Item = f32>| x.fold(0.0, |a: f32, b| a.max(b.abs()));
    let differences = largest(&mut got.iter().zip(&want).map(|(a, b)| a - b));
    f64::from(differences) / f64::from(largest(&mut want.iter().copied()))
}

#[test]
fn graphs_of_others_compute_the_same_here() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exports/foreign_onnx.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut compared = Vec::new();
    for (name, network) in [
        ("torch-script", "torchvision"),
        ("torch-dynamo", "torchvision"),
        ("torch-anonymous", "torchvision"),
        ("zoo", "caffe"),
    ] {
        let path = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        if !path("onnx").exists() {
            println!("skipped: {name}, which needs onnxscript");
            continue;
        }
        let imported = import(&path("onnx"), &ImportOptions::default()).unwrap();
        assert_eq!(imported.description.network.name, network, "{name}");
        imported.write(&path("checkpoint")).unwrap();
        let network = Checkpoint::load(&path("checkpoint")).unwrap();
        let network = network.network_on(&[ComputeDevice::cpu()]).unwrap();
        let case = candle_core::safetensors::load(path("safetensors"), &Device::Cpu).unwrap();
        let logits = network.forward(&case["images"], Mode::Test).unwrap();
        let distance = distance(&logits, &case["logits"]);
        println!("{name}: {distance:.2e}");
        assert!(distance <= TOLERANCE, "{name}: {distance}");
        compared.push(name);
    }
    assert!(compared.len() >= 3, "{compared:?}");
}
