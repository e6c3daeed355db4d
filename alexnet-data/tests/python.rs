//! The Python reader of `docs/`, written from FORMAT.md alone, sees what this crate sees.

#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use alexnet_data::Dataset;
use common::small_dataset;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/read_shards.py");

/// `PYTHON`, or `python3`.
fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

fn read(dir: &Path) -> Output {
    python().arg(READER).arg(dir).output().unwrap()
}

#[test]
fn python_reads_the_same() {
    let numpy = python().args(["-c", "import numpy"]).output();
    if !Path::new(READER).exists() || !numpy.is_ok_and(|output| output.status.success()) {
        return println!("skipped: no python3 with numpy, or no {READER}");
    }
    let (_guard, dir) = small_dataset(6);
    let dataset = Dataset::open(&dir).unwrap();
    let mut want = String::new();
    for split in dataset.splits() {
        for i in 0..split.len() {
            let record = split.record(i).unwrap();
            let crc = crc32fast::hash(&record.pixels);
            want += &format!("{} {i} {} {crc:08x}\n", split.name(), record.label);
        }
    }
    let output = read(&dir);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).replace('\r', ""), want);
    drop(dataset);
    // A damaged record, index, header and manifest are refused by it too.
    for (file, at) in [
        ("train-00000.shard", 4096 + 50),
        ("train-00000.shard", 4096 + 8 * 108 + 3),
        ("val-00000.shard", 1000),
        ("manifest.json", 700),
    ] {
        let path = dir.join(file);
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        let output = read(&dir);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(file), "{file}, {at}: {text}");
        fs::write(&path, good).unwrap();
    }
}
