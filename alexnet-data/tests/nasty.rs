//! 245 unusual and broken files, if they are available: each ends as their list says, within
//! bounded time and memory.

#![allow(clippy::print_stdout)] // a test that is skipped says so

use alexnet_data::{Decoder, Exif, decode};
use std::path::Path;
use std::time::Duration;

/// The CPU time that one file may take; other work on the machine does not count.
const LIMIT: Duration = Duration::from_secs(1);

#[test]
fn nasty_files() {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/nasty.tar.gz");
    if !Path::new(archive).exists() {
        println!("skipped: {archive} is not here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tar = std::process::Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(dir.path())
        .status();
    if !tar.is_ok_and(|status| status.success()) {
        println!("skipped: no tar to unpack {archive}");
        return;
    }
    let root = dir.path().join("nasty");
    let list = std::fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    let (mut files, mut wrong, mut slowest) = (0, Vec::new(), (Duration::ZERO, ""));
    let mut decoder = Decoder::new(64, Exif::Ignore);
    for line in list.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        let start = processor_time();
        let result = std::fs::read(root.join(fields[0])).map_err(|e| e.to_string());
        let result = result.and_then(|bytes| decode(&bytes, 64).map_err(|e| e.to_string()));
        let time = processor_time().zip(start).map_or(Duration::ZERO, |(now, then)| now - then);
        slowest = slowest.max((time, fields[0]));
        if time > LIMIT {
            wrong.push(format!("{}: took {time:?}", fields[0]));
        }
        // The same with the memory of the file before.
        let again = std::fs::read(root.join(fields[0])).map_err(|e| e.to_string());
        let again = again.and_then(|bytes| decoder.decode(&bytes).map_err(|e| e.to_string()));
        if again != result {
            wrong.push(format!("{}: differs after another file", fields[0]));
        }
        match (fields[2], &result) {
            ("ok", Err(e)) => wrong.push(format!("{}: {e}", fields[0])),
            ("error", Ok(_)) => wrong.push(format!("{}: decoded", fields[0])),
            _ => files += 1,
        }
    }
    assert!(files > 200 && wrong.is_empty(), "{}", wrong.join("\n"));
    println!("slowest: {} in {:?}; peak memory of the test {:?} kB", slowest.1, slowest.0, peak());
}

/// The CPU time that this thread has used, where the system knows it (Linux).
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory this process has had, in kB.
fn peak() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
