//! Options, exit codes, one line on success, one line on an error.

use std::path::Path;
use std::process::Output;

use crate::{cifar, contents, prepare_data};

fn prepare(source: &str, input: &Path, output: &Path) -> Output {
    let mut command = prepare_data();
    command.args(["--source", source, "--threads", "2", "--input"]).arg(input);
    command.arg("--output").arg(output).output().unwrap()
}

/// One line with the counts and the report's path; then, the output being there, one line of error.
#[test]
fn one_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    cifar(dir.path(), 2);

    let run = prepare("cifar10", dir.path(), &output);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success() && text.lines().count() == 1, "{text}");
    for part in ["12 images (10 train, 2 val)", "10 classes", "0 unreadable", "report.jsonl"] {
        assert!(text.contains(part), "{text}");
    }

    let run = prepare("cifar10", dir.path(), &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert_eq!((run.status.code(), run.stdout.len(), text.lines().count()), (Some(1), 0, 1));
    assert!(text.starts_with("error: ") && text.contains("already holds"), "{text}");
}

/// Without a source, it is detected; `--json` is JSON alone, `--quiet` is silence.
#[test]
fn machines() {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 1);
    let run = |flag: &str| {
        let mut command = prepare_data();
        command.args([flag, "--input"]).arg(dir.path());
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

/// Encodings and budgets by their options; parts by number and by rank, joined from one folder and
/// from two: the bytes of one run.
#[test]
fn encodings_and_parts() {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 10);
    let run = |output: &str, more: &[&str], rank: Option<&str>| {
        let mut command = prepare_data();
        command.args(["--shard-records", "7", "--input"]).arg(dir.path());
        command.arg("--output").arg(dir.path().join(output)).args(more);
        rank.map(|rank| command.env("PMI_RANK", rank).env("PMI_SIZE", "2"));
        command.output().unwrap()
    };
    let fails = |more: &[&str], word: &str| {
        let end = run("never", more, None);
        let text = String::from_utf8(end.stderr).unwrap();
        assert!(!end.status.success() && text.contains(word), "{text}");
        assert!(!dir.path().join("never").exists());
    };
    let size = |name: &str| -> u64 {
        contents(&dir.path().join(name)).iter().map(|f| f.1.len() as u64).sum()
    };
    assert!(run("raw", &[], None).status.success());
    assert!(run("jpeg", &["--encoding", "jpeg", "--quality", "70"], None).status.success());
    assert!(size("jpeg") < size("raw") * 2 / 3, "{} of {}", size("jpeg"), size("raw"));
    let budget = ["--budget", "0.2MB", "--quality", "70"];
    assert!(run("whole", &budget, None).status.success());
    assert!((150_000..=200_000).contains(&size("whole")), "{}", size("whole"));
    fails(&["--budget", "100G"], "100GB");
    fails(&["--budget", "90kB"], "too small");
    fails(&["--budget", "1GB", "--encoding", "jpeg"], "--encoding");
    fails(&["--quality", "90"], "--encoding jpeg");
    fails(&["--encoding", "jpeg", "--quality", "101"], "101");
    fails(&["--part", "0/2"], "3/16");
    fails(&["--part", "auto"], "srun");

    let part = |output: &str, part: &str, rank| {
        run(output, &[&budget[..], &["--part", part]].concat(), rank)
    };
    let end = part("shared", "auto", Some("0"));
    let text = String::from_utf8(end.stdout).unwrap();
    assert!(text.starts_with("part 1/2: 5 of 10 shards") && text.lines().count() == 1, "{text}");
    let merge = |output: &str, from: &[&str]| {
        let mut command = prepare_data();
        command.arg("--merge").args(from.iter().map(|d| dir.path().join(d)));
        command.arg("--output").arg(dir.path().join(output)).output().unwrap()
    };
    let text = String::from_utf8(merge("shared", &[]).stderr).unwrap();
    assert!(text.contains("--part 2/2") && text.lines().count() == 1, "{text}");
    assert!(part("shared", "auto", Some("1")).status.success());
    assert!(merge("shared", &[]).status.success());
    assert!(part("a", "1/2", None).status.success() && part("b", "2/2", None).status.success());
    assert!(merge("joined", &["a", "b"]).status.success());
    let want = contents(&dir.path().join("whole"));
    assert!(
        contents(&dir.path().join("shared")) == want
            && contents(&dir.path().join("joined")) == want
    );
}

/// A missing input and an unknown source: not 0, and said.
#[test]
fn errors_have_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, output) = (dir.path().join("missing"), dir.path().join("out"));
    let run = prepare("folder", &missing, &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(1) && text.contains("missing"), "{text}");
    assert!(!output.exists());
    let run = prepare("cifar-10", &missing, &output);
    let text = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(2) && text.contains("cifar10"), "{text}");
}
