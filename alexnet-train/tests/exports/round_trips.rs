//! What was exported comes back: the same bits, and so the same logits.

use std::fs;
use std::path::Path;

use alexnet_data::{Crop, Resample};
use alexnet_kernels::ComputeDevice;
use alexnet_model::NetworkSpec;
use alexnet_train::{Checkpoint, ExportFormat, ImportOptions, export, import};
use candle_core::Tensor;

use super::case::Case;

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// Imports a file that was exported of a case; everything must be the same.
fn comes_back(case: &Case, file: &Path) {
    let imported = import(file, &ImportOptions::default()).unwrap();
    assert_eq!(imported.family, None, "it describes itself");
    assert_eq!(imported.description, case.checkpoint.description());
    let want = case.network.tensors().unwrap();
    assert_eq!(imported.tensors().len(), want.len());
    for (name, tensor) in imported.tensors() {
        assert!(bits(tensor) == bits(&want[name]), "{name} of {}", file.display());
    }
    // The mean image too: what the network takes of a picture has the same bits.
    let checkpoint = file.with_extension("checkpoint");
    imported.write(&checkpoint).unwrap();
    let checkpoint = Checkpoint::load(&checkpoint).unwrap();
    let compute = ComputeDevice::cpu();
    let input = checkpoint.input(file, &compute).unwrap();
    let images = input.run(&case.batch(), 1.0).unwrap();
    assert!(bits(&images) == bits(&case.images()));
}

#[test]
fn every_format_comes_back() {
    for name in ["demo", "cifar-11pct", "cifar-18pct", "torchvision"] {
        let (case, folder) = (Case::preset(name), tempfile::tempdir().unwrap());
        for (format, output, file) in [
            (ExportFormat::Safetensors, "w.safetensors", "w.safetensors"),
            (ExportFormat::Torch, "w.pth", "w.pth"),
            (ExportFormat::HuggingFace, "hf", "hf/model.safetensors"),
            (ExportFormat::Onnx { with_input: false }, "w.onnx", "w.onnx"),
            (ExportFormat::Onnx { with_input: true }, "p.onnx", "p.onnx"),
        ] {
            let output = folder.path().join(output);
            export(&case.checkpoint, Path::new("case"), format, &output).unwrap();
            comes_back(&case, &folder.path().join(file));
        }
    }
}

/// The same weights give the same bytes.
#[test]
fn files_are_the_same_each_time() {
    let (case, folder) = (Case::preset("demo"), tempfile::tempdir().unwrap());
    for format in
        [ExportFormat::Safetensors, ExportFormat::Torch, ExportFormat::Onnx { with_input: true }]
    {
        let [a, b] = ["a", "b"].map(|name| {
            let path = folder.path().join(name).join("w.bin");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            export(&case.checkpoint, Path::new("case"), format, &path).unwrap();
            fs::read(path).unwrap()
        });
        assert!(a == b, "{format:?}");
    }
}

/// A graph without its description, as other programs leave it, is known by its operations.
#[test]
fn a_graph_is_known_without_its_description() {
    for name in ["torchvision", "caffe", "caffenet"] {
        let (case, folder) = (Case::preset(name), tempfile::tempdir().unwrap());
        let path = folder.path().join("w.onnx");
        let format = ExportFormat::Onnx { with_input: false };
        export(&case.checkpoint, Path::new("case"), format, &path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let key = b"alexnet_description";
        let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
        bytes[at] = b'-';
        fs::write(&path, bytes).unwrap();
        let imported = import(&path, &ImportOptions::default()).unwrap();
        assert_eq!(imported.family.as_deref(), Some(name));
        let want = case.network.tensors().unwrap();
        for (name, tensor) in imported.tensors().iter().filter(|(name, _)| *name != "conv1.weight")
        {
            assert!(bits(tensor) == bits(&want[name]), "{name}");
        }
        assert_eq!(imported.description.network.input, NetworkSpec::preset(name).unwrap().input);
    }
}

/// What the folder for the Hub says of images is what is done to them, in timm's words.
#[test]
fn the_hub_is_told_how_images_are_made() {
    let folder = tempfile::tempdir().unwrap();
    for (crop, resample, words) in [
        (Crop::Centre, Resample::Area, ["center", "box"]),
        (Crop::Torchvision, Resample::Bilinear, ["center", "bilinear"]),
        (Crop::Whole, Resample::Linear, ["squash", "bilinear"]),
    ] {
        let mut case = Case::preset("torchvision");
        case.checkpoint.preprocessing.crop = crop;
        case.checkpoint.preprocessing.resample = resample;
        let path = folder.path().join(format!("{crop:?}"));
        export(&case.checkpoint, Path::new("case"), ExportFormat::HuggingFace, &path).unwrap();
        let config = fs::read(path.join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        let images = &config["pretrained_cfg"];
        assert_eq!([&images["crop_mode"], &images["interpolation"]], words);
        assert_eq!(images["input_size"], serde_json::json!([3, 224, 224]));
        assert_eq!(images["crop_pct"], 0.875);
        assert_eq!(images["std"], serde_json::json!([0.229, 0.224, 0.225]));
    }
}

/// A file of Python that is someone's is not replaced.
#[test]
fn modules_of_others_stay() {
    let (case, folder) = (Case::preset("demo"), tempfile::tempdir().unwrap());
    let [weights, module] = ["train.pth", "train.py"].map(|name| folder.path().join(name));
    fs::write(&module, "import torch\n").unwrap();
    let write = || export(&case.checkpoint, Path::new("case"), ExportFormat::Torch, &weights);
    let error = write().unwrap_err().to_string();
    assert!(error.contains("train.py") && error.contains("not replaced"), "{error}");
    assert!(!weights.exists());
    fs::remove_file(&module).unwrap();
    assert_eq!(write().unwrap(), [&weights, &module].map(Clone::clone));
    write().unwrap(); // our own is
}
