//! Signals at random moments of a preparation: it goes on, byte-identical at the end.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{cifar, contents, prepare_data};

/// Records of every encoding: at this budget about half are JPEG.
const BUDGET: [&str; 4] = ["--budget", "3MB", "--quality", "40"];

fn command(input: &Path, output: &Path, threads: usize) -> Command {
    let mut command = prepare_data();
    command.args(["--source", "cifar10", "--shard-records", "40"]);
    command.arg("--input").arg(input).arg("--output").arg(output);
    command.args(["--threads", &threads.to_string()]).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Kills preparations until `kills` have hit; every dataset that comes of them is compared.
fn kills(kills: usize) {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 200);
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let start = Instant::now();
    assert!(command(dir.path(), &whole, 2).status().unwrap().success());
    let (want, undisturbed) = (contents(&whole), start.elapsed());
    // A generator of our own: the moments differ, and are the same in each run of the test.
    let (mut state, mut hits, mut ends) = (2012u64, 0, 0);
    while hits < kills || output.exists() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut child = command(dir.path(), &output, 1 + hits % 3).spawn().unwrap();
        if hits < kills {
            let wait = undisturbed.as_micros() as u64 * (state >> 33) / (1 << 31) * 6 / 10;
            std::thread::sleep(Duration::from_micros(wait));
            hits += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap(); // SIGKILL
        }
        let end = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&end.stderr).into_owned();
        // It may have been done before the kill, or have nothing left to do.
        if end.status.success() || text.contains("already holds") {
            assert_eq!(contents(&output), want, "after {hits} kills");
            fs::remove_dir_all(&output).unwrap();
            ends += 1;
        } else {
            assert_eq!(end.status.code(), None, "{text}"); // killed, and by nothing else
        }
    }
    println!("{hits} kills, {ends} datasets, each byte-identical");
}

#[test]
fn a_killed_preparation_goes_on() {
    kills(8);
}

/// A scheduler's SIGTERM ends a preparation in one line, with what is whole kept.
#[test]
fn a_terminated_preparation_ends_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 1000);
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let start = Instant::now();
    assert!(command(dir.path(), &whole, 2).status().unwrap().success());
    let undisturbed = start.elapsed();
    let mut interrupted = 0;
    for tenths in 2..8 {
        let child = command(dir.path(), &output, 2).spawn().unwrap();
        std::thread::sleep(undisturbed * tenths / 10);
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let end = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&end.stderr).into_owned();
        match end.status.code() {
            Some(0) => break,
            Some(1) if text.contains("already holds") => break,
            // The signal may come before the program has said what is to become of it.
            None => continue,
            Some(_) => assert!(text.contains("interrupted") && text.lines().count() == 1, "{text}"),
        }
        interrupted += 1;
    }
    assert!(interrupted > 0, "no preparation was interrupted");
    let end = command(dir.path(), &output, 2).output().unwrap();
    let text = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(end.status.success() || text.contains("already holds"), "{text}");
    assert!(contents(&output) == contents(&whole));
}

/// Two parts in one folder, killed in turns with a budget to keep, then joined by merges that are
/// killed too: the bytes of an undivided run.
#[test]
fn killed_parts_go_on() {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 200);
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let start = Instant::now();
    assert!(command(dir.path(), &whole, 2).args(BUDGET).status().unwrap().success());
    let (want, undisturbed) = (contents(&whole), start.elapsed());
    let mut state = 7u64;
    let mut run = |mut command: Command, kill: bool| -> bool {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if kill {
            let wait = undisturbed.as_micros() as u64 * (state >> 33) / (1 << 31) * 6 / 10;
            std::thread::sleep(Duration::from_micros(wait));
            child.kill().unwrap();
        }
        let end = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&end.stderr).into_owned();
        let over = end.status.success() || text.contains("already holds");
        assert!(over || end.status.code().is_none(), "{text}");
        over
    };
    for round in 0..3 {
        for part in ["1/2", "2/2", "1/2", "2/2", "1/2", "2/2"] {
            let mut command = command(dir.path(), &output, 1 + round);
            command.args(BUDGET).args(["--part", part]);
            run(command, true);
        }
        for part in ["1/2", "2/2"] {
            let mut command = command(dir.path(), &output, 2);
            command.args(BUDGET).args(["--part", part]);
            assert!(run(command, false));
        }
        for kill in [true, true, true, false] {
            let mut command = prepare_data();
            command.args(["--merge", "--output"]).arg(&output);
            assert!(run(command, kill) || kill);
        }
        assert_eq!(contents(&output), want);
        fs::remove_dir_all(&output).unwrap();
    }
}

/// `cargo test --release -p alexnet-cli --test prepare_data -- --ignored --nocapture`
#[test]
#[ignore = "minutes"]
fn two_hundred_kills() {
    kills(200);
}
