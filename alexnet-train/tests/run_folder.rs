//! A run's folder: one writer, no leftovers, any path, and a `run.json` that is checked.
#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use std::fs;
use std::path::Path;

use alexnet_data::Lock;
use alexnet_train::{Error, Event, Job, Task, train};
use common::{dataset, job, recipe, train_until};

fn resume(data: &Path, run: &Path, epochs: usize) -> Job {
    Job { task: Task::resume(Some(epochs)), ..job(data, run, recipe(&[])) }
}

/// What is in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

const COMPLETE: [&str; 8] = [
    "checkpoint.safetensors",
    "checkpoints",
    "final.safetensors",
    "log.csv",
    "log.jsonl",
    "report.json",
    "run.json",
    "tensorboard",
];

/// The files that a run replaces as a whole.
const REPLACED: [&str; 4] =
    ["checkpoint.safetensors", "final.safetensors", "report.json", "run.json"];

#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let run = folder.path().join("run");
    let refused = |job: &Job| {
        let error = train(job, &mut |_| panic!("it began")).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::RunBusy { .. }), "{text}");
        let holder = format!("process {} on host ", std::process::id());
        assert!(text.starts_with(&holder) && !text.contains('\n'), "{text}");
        assert!(text.contains(run.to_str().unwrap()), "{text}");
    };
    let mut tried = 0;
    let mut meanwhile = |event: &Event| {
        if matches!(event, Event::Step { .. } | Event::Epoch { .. } | Event::End { .. }) {
            tried += 1;
            refused(&job(&data, &run, recipe(&[])));
            refused(&resume(&data, &run, 9));
        }
    };
    train(&job(&data, &run, recipe(&[("epochs", "1")])), &mut meanwhile).unwrap();
    train(&resume(&data, &run, 2), &mut meanwhile).unwrap();
    assert!(tried >= 6, "{tried}");
    assert_eq!(names(&run), COMPLETE, "the lock is gone");
    let starts = fs::read_to_string(run.join("log.jsonl")).unwrap();
    assert_eq!(starts.lines().filter(|line| line.contains(r#""event":"start""#)).count(), 2);

    // A run that is refused for another reason gives the lock back.
    assert!(matches!(train(&job(&data, &run, recipe(&[])), &mut |_| ()), Err(Error::RunExists(_))));
    assert_eq!(names(&run), COMPLETE);
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(train(&resume(&data, &nowhere, 2), &mut |_| ()), Err(Error::NoRun(_))));
    assert!(!nowhere.exists());
}

/// A killed process leaves half a file, and a lock that nobody holds.
#[test]
fn leftovers_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let run = folder.path().join("run");
    let leave = || {
        fs::create_dir_all(&run).unwrap();
        for name in REPLACED {
            fs::write(run.join(format!(".{name}.aB3xyz.partial")), b"half").unwrap();
        }
        fs::write(run.join(".run.lock"), "process 1 on host long-gone").unwrap();
        fs::write(run.join("mine.partial"), b"not a run's").unwrap();
    };
    let mut with_mine = [&COMPLETE[..], &["mine.partial"]].concat();
    with_mine.sort_unstable();
    leave();
    let mut seen = Vec::new();
    train(&job(&data, &run, recipe(&[("epochs", "1")])), &mut |event| {
        if let Event::Start { .. } = event {
            seen = names(&run);
        }
    })
    .unwrap();
    let begun = [".run.lock", "log.csv", "log.jsonl", "mine.partial", "run.json", "tensorboard"];
    assert_eq!(seen, begun);
    assert_eq!(names(&run), with_mine);
    leave();
    train(&resume(&data, &run, 2), &mut |_| ()).unwrap();
    assert_eq!(names(&run), with_mine);

    // While another process holds the lock, its unfinished files stay.
    leave();
    let lock = Lock::exclusive(&run.join(".run.lock")).unwrap().unwrap();
    assert!(matches!(train(&resume(&data, &run, 3), &mut |_| ()), Err(Error::RunBusy { .. })));
    assert_eq!(names(&run).iter().filter(|name| name.ends_with(".partial")).count(), 5);
    drop(lock);
}

/// What a recipe may not say when a run starts, `run.json` may not say when it goes on.
#[test]
fn an_edited_run_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = folder.path().join("run");
    train(&job(&data, &run, recipe(&[("epochs", "1")])), &mut |_| ()).unwrap();
    let path = run.join("run.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let refused = |pointer: &str, value: serde_json::Value, words: &[&str]| {
        let mut edited = good.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        fs::write(&path, edited.to_string()).unwrap();
        let resumed = Job { task: Task::resume(None), ..job(&data, &run, recipe(&[])) };
        let error = train(&resumed, &mut |_| panic!("it began")).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "no `{word}` in: {error}"));
        assert_eq!(names(&run), COMPLETE);
    };
    let a_layer = serde_json::json!([{ "epoch": 1, "layer": "conv9", "weights": 0.1 }]);
    refused("/recipe/momentum", 7.into(), &["run.json", "momentum = 7: expected 0 to below 1"]);
    refused("/recipe/weights/rate", (-1).into(), &["run.json", "weights.rate = -1"]);
    refused("/recipe/batch", 0.into(), &["run.json", "batch = 0: expected 1 to 1000000"]);
    refused("/recipe/epochs", 0.into(), &["epochs = 0"]);
    refused("/recipe/input/scale", vec![0, 0, 0].into(), &["input.scale[0] = 0"]);
    refused("/recipe/schedule/changes", a_layer, &["`conv9`", "did you mean `conv"]);
    refused("/network/input", vec![3, 40, 40].into(), &["network is not that of", "run.json"]);
    refused("/network/towers", 99.into(), &["towers"]);
    refused("/data_checksum", "crc32:00000000".into(), &["another dataset"]);
    fs::write(&path, good.to_string()).unwrap();
    train(&resume(&data, &run, 2), &mut |_| ()).unwrap();
}

/// A batch that was changed by hand within an epoch has another number of steps.
#[test]
fn a_step_beyond_its_epoch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let cut = folder.path().join("cut");
    train_until(job(&data, &cut, recipe(&[("epochs", "1")])), (0, 1));
    let text = fs::read_to_string(cut.join("run.json")).unwrap();
    fs::write(cut.join("run.json"), text.replace("\"batch\": 16", "\"batch\": 32")).unwrap();
    let resumed = resume(&data, &cut, 1);
    let error = train(&resumed, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("(batch: 16, not 32)") && error.contains("add --change"), "{error}");
    fs::write(cut.join("run.json"), text.replace("\"batch\": 16", "\"batch\": 40")).unwrap();
    let error = train(&resumed, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("batch = 40, but 2 steps of an epoch are done"), "{error}");
}

/// Dataset and run may have any name that the system allows.
#[cfg(unix)]
#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let name = |bytes: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(bytes));
    let data = name(b"d\xe9ta");
    if fs::create_dir(&data).is_err() {
        println!("skipped: this file system takes no such names");
        return;
    }
    let data = dataset(&data, 2, 1);
    let run = name(b"r\xffn");
    train(&job(&data, &run, recipe(&[("epochs", "1")])), &mut |_| ()).unwrap();
    let config = job(&data, &run, recipe(&[])).run.config().unwrap();
    assert_eq!(config.data, data);
    assert_eq!(names(&run), COMPLETE);
    let log = fs::read_to_string(run.join("log.jsonl")).unwrap();
    let end: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let weights = run.join("final.safetensors");
    assert_eq!(end["weights"]["Unix"], serde_json::json!(weights.as_os_str().as_bytes()), "{end}");
    train(&resume(&config.data, &run, 2), &mut |_| ()).unwrap();

    // What is text stays a string.
    let plain = folder.path().join("plain");
    let data = dataset(&folder.path().join("other"), 2, 1);
    train(&job(&data, &plain, recipe(&[("epochs", "1")])), &mut |_| ()).unwrap();
    let config = fs::read_to_string(plain.join("run.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["data"], data.to_str().unwrap());
}
