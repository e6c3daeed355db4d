//! `alexnet import` as people use it, and what imported networks say of pictures beside torchvision
//! and beside NumPy's reading of Caffe's layout.
//!
//! `ALEXNET_TORCH_PYTHON` names a Python with torch and torchvision; `ALEXNET_REAL_WEIGHTS` a
//! folder with the published files, where a person has them, and `ALEXNET_REAL_DATA` one with
//! ILSVRC 2012 prepared for each of them (`torchvision`, `caffe`).

#![allow(clippy::print_stdout)] // a test that is skipped says so

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/importing/parity.py");

fn alexnet(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
fn ok(folder: &Path, arguments: &[&str]) -> [String; 2] {
    let output = alexnet(folder, arguments);
    let [text, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{arguments:?}: {error}");
    [text, error]
}

/// Ends with the code and one line, in which are all `words`.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let output = alexnet(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?}: no `{word}` in: {error}");
    }
}

/// What is no file of weights, what cannot be written, and what families there are.
#[test]
fn faults_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let file = |name: &str, bytes: &[u8]| std::fs::write(at.join(name), bytes).unwrap();
    file("text", b"not weights");
    file("empty", b"");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alexnet-train/tests/weights");
    for (name, word) in [("refused-code", "posix.system"), ("protocol-5", "missing: ")] {
        let from = weights.join(name).with_extension("pth");
        std::fs::copy(from, at.join(name)).unwrap();
        fails(at, &["import", name, "--output", "w.safetensors"], 1, &[name, word]);
    }
    std::fs::create_dir(at.join("folder")).unwrap();
    for (name, word) in [
        ("text", "no file of weights that is known"),
        ("empty", "it is empty"),
        ("folder", "it is a folder"),
        ("none", "No such file"),
    ] {
        fails(at, &["import", name, "--output", "w.safetensors"], 1, &[name, word]);
    }
    fails(at, &["import", "text", "--output", "folder"], 1, &["folder", "only a regular file"]);
    let unknown = ["import", "text", "--output", "w", "--as", "vgg"];
    fails(at, &unknown, 2, &["vgg", "caffe, caffenet, torchvision"]);
    assert!(!at.join("w.safetensors").exists() && !at.join("executed").exists());
}

/// Logits of 20 pictures: at most 1e-4 of the largest from torchvision's and from NumPy's.
#[test]
fn logits_are_those_of_others() {
    let Some(python) = std::env::var_os("ALEXNET_TORCH_PYTHON") else {
        return println!(
            "skipped: ALEXNET_TORCH_PYTHON names no Python with torch and torchvision"
        );
    };
    let dir = tempfile::tempdir().unwrap();
    let script = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        let output = command.arg(SCRIPT).args(arguments).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    };
    script(&["make", "."]);
    let pictures: Vec<String> = (0..20).map(|i| format!("pictures/{i:02}.png")).collect();
    for (name, file) in [
        ("torchvision", "torchvision.pth"),
        ("bvlc_alexnet", "bvlc_alexnet.caffemodel"),
        ("bvlc_reference_caffenet", "bvlc_reference_caffenet.caffemodel"),
    ] {
        let [said, notes] = ok(dir.path(), &["import", file, "--output", "w.safetensors"]);
        assert!(said.contains("1000 classes"), "{said}");
        assert_eq!(notes.contains("imagenet_mean.binaryproto"), name != "torchvision", "{notes}");
        let output = format!("{name}-ours.npy");
        let mut arguments = vec!["features", "--checkpoint", "w.safetensors", "--layer", "fc8"];
        arguments.extend(["--output", &output]);
        arguments.extend(pictures.iter().map(String::as_str));
        ok(dir.path(), &arguments);
        script(&["compare", ".", name]);
    }
}

/// The published files, and on ILSVRC 2012 their published accuracies.
#[test]
fn published_weights() {
    let Some(folder) = std::env::var_os("ALEXNET_REAL_WEIGHTS").map(PathBuf::from) else {
        return println!("skipped: ALEXNET_REAL_WEIGHTS names no folder with the published files");
    };
    let data = std::env::var_os("ALEXNET_REAL_DATA").map(PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    for (file, network, prepared, right) in [
        ("alexnet-owt-7be5be79.pth", "torchvision", "torchvision", Some([56.522, 79.066])),
        ("bvlc_alexnet.caffemodel", "caffe", "caffe", Some([57.1, 80.2])),
        ("bvlc_reference_caffenet.caffemodel", "caffenet", "caffe", None),
    ] {
        let path = folder.join(file);
        if !path.exists() {
            println!("skipped: no {}", path.display());
            continue;
        }
        let import = ["import", path.to_str().unwrap(), "--output", "w.safetensors"];
        let [said, _] = ok(dir.path(), &import);
        assert!(said.contains(&format!("network {network}, 1000 classes")), "{said}");
        let (Some(data), Some(right)) = (&data, right) else { continue };
        let data = data.join(prepared);
        let eval = ["eval", "--data", data.to_str().unwrap(), "--checkpoint", "w.safetensors"];
        let [report, _] = ok(dir.path(), &[&eval[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&report).unwrap();
        for (key, right) in [("top1_error", right[0]), ("top5_error", right[1])] {
            let got = 100.0 - report[key].as_f64().unwrap();
            assert!((got - right).abs() < 0.3, "{file}: {got} % right, published {right} %");
        }
    }
}
