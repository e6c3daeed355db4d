//! What is missing, too old or too small: one clear line each, an exit code, and nothing left
//! behind.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{FOLDER, Settings, alexnet, libraries, train};

const ONE: &str = "--device=cuda:0";

/// Starts a training that must be refused in one line with all of `says`. Gives that line back.
#[track_caller]
fn refused(job: &[&str], settings: Settings<'_>, says: &[&str]) -> String {
    let train =
        ["train", "--preset", "demo", "--epochs", "1", "--data", "short", "--run", "refused"];
    let output = alexnet(&[&train[..], job].concat(), settings);
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.starts_with("error: "), "{said}");
    assert!(says.iter().all(|part| said.contains(part)), "no {says:?} in: {said}");
    assert!(!FOLDER.join("refused").exists(), "the folder of a run was left behind");
    said
}

/// The message of a library that is not there names its file.
#[test]
fn missing_libraries() {
    for (absent, says) in [
        ("lib", "no NVIDIA driver (libcuda.so.1)"),
        ("libcudnn.so.9", "cuDNN (libcudnn.so.9) cannot be used"),
        ("libcublasLt.so.13", "cuBLASLt (libcublasLt.so.13) cannot be used"),
    ] {
        let folder = FOLDER.join(format!("without-{absent}"));
        fs::create_dir_all(&folder).unwrap();
        for library in fs::read_dir(&*libraries::FOLDER).unwrap().map(|entry| entry.unwrap()) {
            if !library.file_name().to_string_lossy().starts_with(absent) {
                symlink(library.path(), folder.join(library.file_name())).unwrap();
            }
        }
        let settings = [("LD_LIBRARY_PATH", folder.to_str().unwrap())];
        refused(&[ONE], &settings, &["cuda:0: ", says]);
    }
}

#[test]
fn missing_and_old_gpus() {
    refused(&[ONE], &[("ALEXNET_EMULATOR_DEVICES", "0")], &["no NVIDIA driver"]);
    refused(&["--device=cuda:2"], &[], &["cuda:2: this machine has 2 CUDA device(s)"]);
    refused(&[ONE], &[("ALEXNET_EMULATOR_CAPABILITY", "75")], &["7.5", "8.0 (Ampere)"]);
    refused(
        &["--device=cuda:0,cuda:1"],
        &[("ALEXNET_EMULATOR_CAPABILITY_OF_OTHERS", "80")],
        &["cuda:0 and cuda:1 are of different kinds"],
    );
    refused(
        &[ONE],
        &[("ALEXNET_EMULATOR_PTX_TOO_NEW", "1")],
        &["cuda:0: the driver does not load the kernels"],
    );
}

/// Too large a batch is refused with one that fits, which then trains.
#[test]
fn too_little_memory() {
    let small = [("ALEXNET_EMULATOR_MEMORY", "1120000000")];
    let says = ["batch of 512 needs about", "GB are free: a batch of ", " fits (--set batch="];
    let line = refused(&[ONE, "--set=batch=512"], &small, &says);
    let advised = line.split("--set batch=").nth(1).and_then(|rest| rest.split([';', ')']).next());
    let fits: usize = advised.unwrap().parse().unwrap();
    train("advised", "short", &[ONE, &format!("--set=batch={fits}")], &small);
    refused(&[ONE, &format!("--set=batch={}", fits + 1)], &small, &["batch of", " fits"]);
    // This is less than the libraries need.
    refused(&[ONE], &[("ALEXNET_EMULATOR_MEMORY", "900000000")], &["not one image fits"]);
}
