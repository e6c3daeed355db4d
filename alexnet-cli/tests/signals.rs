//! The signals that end programs: what is trained is saved, and the line that goes on is said.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// Tries of what depends on the moment.
const TRIES: usize = 10;

/// A folder with the dataset `data` for the preset `demo`.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    let demo = DemoOptions { image_size: 72, train_per_class: 4, val_per_class: 1, seed: 7 };
    draw_demo(&images, &demo, &|_| ()).unwrap();
    let options = PrepareOptions::new(Source::Folder, &images, folder.path().join("data"));
    prepare(&PrepareOptions { size: 72, ..options }, &|_| ()).unwrap();
    folder
}

/// Starts the program and waits until `log` has the line of a step.
fn started(folder: &Path, arguments: &str, log: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let began = Instant::now();
    let has_step = || fs::read_to_string(folder.join(log)).is_ok_and(|t| t.contains("\"step\""));
    while !has_step() {
        assert!(began.elapsed() < Duration::from_secs(60), "no step of {arguments}");
        sleep(Duration::from_millis(5));
    }
    child
}

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_training_is_saved_and_says_how_it_goes_on() {
    let folder = world();
    let train = "train --data data --preset demo --epochs 100000 --set batch=8 --run";
    for (signal, word) in
        [("TERM", "SIGTERM"), ("INT", "Ctrl-C"), ("HUP", "SIGHUP"), ("USR1", "SIGUSR1")]
    {
        let (run, log) = (format!("run-{signal}"), format!("run-{signal}/log.jsonl"));
        let child = started(folder.path(), &format!("{train} {run}"), &log);
        let began = Instant::now();
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(0), "{signal}: {said}");
        assert!(began.elapsed() < Duration::from_secs(10), "{signal}: {:?}", began.elapsed());
        let line = format!("alexnet train --resume --run {run}");
        assert!(said.contains(&format!("stopped by {word}")) && said.contains(&line), "{said}");
        assert!(folder.path().join(&run).join("checkpoint.safetensors").exists());
    }
}

/// Who presses Ctrl-C twice does not wait for the step.
#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = world();
    let train = "train --data data --preset demo --epochs 100000 --set batch=40 --run";
    let code = |number: usize| {
        let (run, log) = (format!("run-{number}"), format!("run-{number}/log.jsonl"));
        let child = started(folder.path(), &format!("{train} {run}"), &log);
        send("INT", &child);
        sleep(Duration::from_millis(5)); // two at the same moment are one
        send("INT", &child);
        child.wait_with_output().unwrap().status.code()
    };
    // Where the step ended just then, the run has saved itself: 0.
    let codes: Vec<_> = (0..TRIES).map(code).take_while(|code| *code != Some(130)).collect();
    assert!(codes.len() < TRIES && codes.iter().all(|code| *code == Some(0)), "{codes:?}");
}

#[test]
fn an_ablation_is_saved_and_goes_on() {
    let folder = world();
    let ablate = "ablate --data data --base demo --vary decay --seeds 1 --jobs 1 --output out";
    let (long, log) = (format!("{ablate} --epochs 5000"), "out/base/seed-1/log.jsonl");
    let child = started(folder.path(), &long, log);
    send("TERM", &child);
    let output = child.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("stopped by SIGTERM; give the same command to go on"), "{said}");
    assert!(folder.path().join("out/base/seed-1/checkpoint.safetensors").exists());
    assert!(!folder.path().join("out/no-decay/seed-1").exists());
    let plan = Command::new(env!("CARGO_BIN_EXE_alexnet"))
        .args(long.split_whitespace())
        .arg("--dry-run")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(text(&plan).contains("goes on"), "{}", text(&plan));
}
