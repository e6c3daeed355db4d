//! The program: exit codes, one line on success, one line on an error.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn prepare_data(source: &str, input: &Path, output: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["prepare-data", "--source", source, "--threads", "2"])
        .arg("--input")
        .arg(input)
        .arg("--output")
        .arg(output)
        .output()
        .unwrap()
}

/// One line with the counts and the report's path; then, the output being there, one line of error.
#[test]
fn one_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    for file in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"] {
        fs::write(dir.path().join(format!("{file}.bin")), [1; 2 * 3073]).unwrap();
    }
    fs::write(dir.path().join("test_batch.bin"), [2; 3073]).unwrap();

    let run = prepare_data("cifar10", dir.path(), &output);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success() && text.lines().count() == 1, "{text}");
    for part in ["11 images (10 train, 1 val)", "10 classes", "0 unreadable", "report.jsonl"] {
        assert!(text.contains(part), "{text}");
    }

    let run = prepare_data("cifar10", dir.path(), &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert_eq!((run.status.code(), run.stdout.len(), text.lines().count()), (Some(1), 0, 1));
    assert!(text.starts_with("error: ") && text.contains("already holds"), "{text}");
}

/// Without a source, it is detected; `--json` is JSON alone, `--quiet` is silence.
#[test]
fn machines() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"] {
        fs::write(dir.path().join(format!("{file}.bin")), [1; 3073]).unwrap();
    }
    fs::write(dir.path().join("test_batch.bin"), [2; 3073]).unwrap();
    let run = |flag: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["prepare-data", flag, "--input"]).arg(dir.path());
        command.arg("--output").arg(dir.path().join(flag)).output().unwrap()
    };
    let end = run("--json");
    let text = String::from_utf8(end.stdout).unwrap();
    assert!(end.status.success() && String::from_utf8_lossy(&end.stderr).contains("cifar10"));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["stage"], &lines[0]["done"]), (&"train".into(), &5.into()));
    assert_eq!(lines.last().unwrap()["images"], 6);
    let end = run("--quiet");
    assert!(end.status.success() && end.stdout.is_empty() && end.stderr.is_empty());
}

/// A missing input and an unknown source: not 0, and said.
#[test]
fn errors_have_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, output) = (dir.path().join("missing"), dir.path().join("out"));
    let run = prepare_data("folder", &missing, &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(1) && text.contains("missing"), "{text}");
    assert!(!output.exists());
    let run = prepare_data("cifar-10", &missing, &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(2) && text.contains("cifar10"), "{text}");
}
