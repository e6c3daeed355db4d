//! A run that is only tried out, and what is known of it before it begins.

mod common;

use std::fs;
use std::path::Path;

use alexnet_train::{Error, Job, RunFolder, Task, dry_run, train};
use common::{dataset, job, recipe, train_until};

/// The names of all files in a folder and below.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.to_string_lossy().into_owned());
        if path.is_dir() {
            names.extend(files(&path));
        }
    }
    names.sort();
    names
}

/// What a run was said to write is what it writes, and a little more.
#[track_caller]
fn about(said: u64, written: u64, most: f64) {
    let ratio = said as f64 / written as f64;
    assert!((1.0..most).contains(&ratio), "said {said}, written {written}: {ratio:.2}");
}

#[test]
fn a_run_is_tried_and_then_does_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 16, 2);
    let job = job(&data, &folder.path().join("runs/a"), recipe(&[("epochs", "12")]));
    let job = Job { norms_every: 10, ..job };
    let before = files(folder.path());
    let tried = dry_run(&job).unwrap();
    assert_eq!(files(folder.path()), before, "nothing is written");
    assert_eq!((tried.epochs, tried.steps_per_epoch, tried.steps_left), (12, 10, 120));
    assert_eq!((tried.images, tried.classes), (160, 10));
    let (step, validation) = (tried.step_seconds.unwrap(), tried.validation_seconds.unwrap());
    assert!(step > 0.0 && tried.waited_seconds <= step && validation > 0.0, "{tried:?}");
    let all = 120.0 * step + (12.0 + 11.0) * validation;
    assert!((tried.seconds() / all - 1.0).abs() < 1e-9, "{tried:?}");
    assert_eq!(tried.warnings, [""; 0]);
    // Weights and velocities are in memory twice at least.
    assert!(tried.memory.is_none_or(|bytes| bytes > 2 * tried.disk.checkpoint), "{tried:?}");

    train(&job, &mut |_| ()).unwrap();
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    about(tried.disk.checkpoint, length(&job.run.checkpoint()), 1.2);
    about(tried.disk.weights, length(&job.run.weights()), 1.2);
    about(tried.disk.logs, job.run.logs().iter().map(|path| length(path)).sum(), 1.6);
    assert!(tried.disk.total() > job.run.size());

    let error = dry_run(&job).unwrap_err();
    assert!(matches!(error, Error::RunExists(_)), "{error}");
}

/// What is left of a run is tried with the weights that it has, and they stay as they are.
#[test]
fn a_run_that_is_resumed_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 1);
    let job = job(&data, &folder.path().join("run"), recipe(&[("epochs", "3")]));
    train_until(job.clone(), (1, 2)); // after eight of 15 steps
    let resumed = Job { task: Task::resume(None), stop: Default::default(), ..job.clone() };
    let before = (files(folder.path()), fs::read(job.run.checkpoint()).unwrap());
    let tried = dry_run(&resumed).unwrap();
    assert_eq!((files(folder.path()), fs::read(job.run.checkpoint()).unwrap()), before);
    assert_eq!(tried.steps_left, 7);
    assert!(tried.disk.written > tried.disk.checkpoint, "{tried:?}");
    train(&resumed, &mut |_| ()).unwrap();
    let tried = dry_run(&resumed).unwrap();
    assert_eq!((tried.steps_left, tried.step_seconds), (0, None));
}

/// A mistake is known at once: numbers with which training diverges, a place where nothing can be
/// written.
#[test]
fn mistakes_are_early() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 1);
    let with = |changes: &[(&str, &str)]| {
        job(&data, &folder.path().join("run"), recipe(&[&[("epochs", "2")], changes].concat()))
    };
    let error = dry_run(&with(&[("weights.rate", "1e30")])).unwrap_err();
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    assert!(!folder.path().join("run").exists());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = Job { run: RunFolder::new(&file.join("run")), ..with(&[]) };
    let error = dry_run(&below).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
}
