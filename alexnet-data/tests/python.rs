//! The Python reader in `docs/`, which was written from FORMAT.md only, reads what this crate
//! reads.

#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use alexnet_data::{Dataset, Encoding, PrepareOptions, prepare};
use common::{options, small_dataset, tree};
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

/// It reads JPEG records too, with the differences that two decoders have.
#[test]
fn python_reads_jpeg_records() {
    let pillow = python().args(["-c", "import numpy, PIL"]).output();
    if !Path::new(READER).exists() || !pillow.is_ok_and(|output| output.status.success()) {
        return println!("skipped: no python3 with numpy and Pillow, or no {READER}");
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["a", "b"], 3, 40);
    tree(&input, "val", &["a", "b"], 1, 40);
    let encoding = Encoding::Jpeg { quality: 95 };
    prepare(&PrepareOptions { encoding, ..options(&input, &output, 32) }, &|_| ()).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    let split = dataset.split("train").unwrap();
    let ours: Vec<u8> =
        (0..split.len()).flat_map(|i| split.record(i).unwrap().pixels.to_vec()).collect();
    let script = "import sys; sys.path.insert(0, sys.argv[1]); from read_shards import Split; \
                  s = Split(sys.argv[2], 'train'); \
                  sys.stdout.buffer.write(b''.join(s[i].tobytes() for i in range(len(s))))";
    let folder = Path::new(READER).parent().unwrap();
    let theirs = python().args(["-B", "-c", script]).args([folder, &output]).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    assert_eq!(theirs.stdout.len(), ours.len());
    let apart = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b));
    let apart: Vec<u32> = theirs.stdout.iter().zip(&ours).map(apart).collect();
    assert!(apart.iter().max() <= Some(&8), "{:?}", apart.iter().max());
    assert!(apart.iter().sum::<u32>() <= apart.len() as u32, "more than a level apart in the mean");
}
