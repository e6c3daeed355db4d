//! Runs of the program: one process in a folder at a time, and images that become pixels as those
//! it was trained on.
#![allow(clippy::print_stdout)] // a test that is skipped says so

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use alexnet_data::{DemoOptions, Exif, PrepareOptions, Source, draw_demo, prepare};
use serde_json::Value;

fn alexnet(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.args(arguments).current_dir(folder);
    command
}

#[track_caller]
fn ok(folder: &Path, arguments: &[&str]) -> Output {
    let output = alexnet(folder, arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output
}

#[track_caller]
fn error(folder: &Path, arguments: &[&str]) -> String {
    let output = alexnet(folder, arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
    error
}

/// Draws images of 72 px in `folder`, for the preset `demo`.
fn draw(folder: &Path, val_per_class: usize) -> PathBuf {
    let images = folder.join("images");
    let demo = DemoOptions { image_size: 72, train_per_class: 2, val_per_class, seed: 7 };
    draw_demo(&images, &demo, &|_| ()).unwrap();
    images
}

fn prepared(images: &Path, output: &Path, exif: Exif) {
    let options = PrepareOptions::new(Source::Folder, images, output);
    prepare(&PrepareOptions { size: 72, exif, ..options }, &|_| ()).unwrap();
}

/// A process that is killed when the test ends, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_process_trains_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepared(&draw(folder, 1), &folder.join("data"), Exif::Ignore);
    let start = ["train", "--data", "data", "--preset", "demo", "--run", "run", "--epochs"];
    let start = |epochs| [&start[..], &[epochs]].concat();
    let first = alexnet(folder, &start("100000")).stdout(Stdio::null()).spawn().unwrap();
    let first = Killed(first);
    let checkpoint = folder.join("run/checkpoint.safetensors");
    let began = Instant::now();
    while !checkpoint.exists() {
        assert!(began.elapsed() < Duration::from_secs(300), "no epoch ends");
        sleep(Duration::from_millis(20));
    }
    let resume = ["train", "--resume", "--run", "run", "--epochs", "100000"];
    for second in [&start("1")[..], &resume] {
        let error = error(folder, second);
        let holder = format!("error: process {} on host ", first.0.id());
        assert!(error.starts_with(&holder), "{error}");
        assert!(error.contains(" is training in run: wait for its end"), "{error}");
    }
    drop(first);

    // A killed process holds no lock, and what it may have left goes.
    fs::write(folder.join("run/.checkpoint.safetensors.x1y2z3.partial"), b"half").unwrap();
    let log = fs::read_to_string(folder.join("run/log.jsonl")).unwrap();
    let epochs = log.lines().filter(|line| line.contains(r#""event":"epoch""#)).count() + 2;
    ok(folder, &["train", "--resume", "--run", "run", "--epochs", &epochs.to_string()]);
    let names = fs::read_dir(folder.join("run")).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// A note, as cameras write it, that the picture is upside down.
const UPSIDE_DOWN: &[u8] = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\
    \0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";

/// The JPEG files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

/// Pictures that are predicted one by one have the probabilities that they have in the dataset;
/// a dataset of other pixels is refused.
#[test]
fn preparation_travels_with_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let images = draw(folder, 2);
    for path in files(&images) {
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, [&bytes[..2], UPSIDE_DOWN, &bytes[2..]].concat()).unwrap();
    }
    let loss = |data: &str, run: &str| -> f64 {
        let weights = format!("{run}/final.safetensors");
        let words = ["eval", "--data", data, "--checkpoint", &weights, "--json"];
        let score: Value = serde_json::from_slice(&ok(folder, &words).stdout).unwrap();
        score["loss"].as_f64().unwrap()
    };
    for (data, exif) in [("apply", Exif::Apply), ("ignore", Exif::Ignore)] {
        prepared(&images, &folder.join(data), exif);
        let run = format!("run-{data}");
        let epochs = ["--epochs", "1", "--run", &run];
        ok(folder, &[&["train", "--preset", "demo", "--data", data], &epochs[..]].concat());
        let weights = format!("{run}/final.safetensors");
        let (mut sum, files) = (0.0, files(&images.join("val")));
        for path in &files {
            let image = path.to_str().unwrap();
            let words = ["predict", "--json", "--top", "10", "--checkpoint", &weights, image];
            let said: Value = serde_json::from_slice(&ok(folder, &words).stdout).unwrap();
            let class = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let classes = said["classes"].as_array().unwrap();
            let right = classes.iter().find(|c| c["class"] == class).unwrap();
            sum -= right["probability"].as_f64().unwrap().ln();
        }
        let (want, got) = (loss(data, &run), sum / files.len() as f64);
        assert!((got - want).abs() < 1e-5 * want, "{data}: predicted {got}, evaluated {want}");
    }
    assert!(loss("apply", "run-apply") != loss("ignore", "run-ignore"));
    let eval = ["eval", "--data", "ignore", "--checkpoint", "run-apply/final.safetensors"];
    let error = error(folder, &eval);
    for word in ["images prepared with --exif apply", "prepared with --exif ignore", "ignore were"]
    {
        assert!(error.contains(word), "no `{word}` in: {error}");
    }
}

/// `--data` and `--run` may have any name that the system allows, also in what `--json` prints.
#[cfg(unix)]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (data, run) = (OsStr::from_bytes(b"d\xe9ta"), OsStr::from_bytes(b"r\xffn"));
    if fs::create_dir(folder.join(data)).is_err() {
        println!("skipped: this file system takes no such names");
        return;
    }
    prepared(&draw(folder, 1), &folder.join(data), Exif::Ignore);
    let train = |words: &[&str], names: &[&OsStr]| {
        let mut command = alexnet(folder, &["train", "--json"]);
        let output = command.args(words).args(names).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let names = [OsStr::new("--data"), data, OsStr::new("--run"), run];
    let said = train(&["--preset", "demo", "--epochs", "1"], &names);
    assert_eq!(said["run"], "r\u{fffd}n", "{said}");
    train(&["--resume", "--epochs", "2"], &names[2..]);
}
