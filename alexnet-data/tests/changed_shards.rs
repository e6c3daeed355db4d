//! Shards that someone changes while they are open: a typed error that names shard and record, or
//! the right pixels; never the end of the process, never other pixels.
#![cfg(unix)]

mod common;

use alexnet_data::{
    Batch, Dataset, Encoding, Error, PrepareOptions, View, survive_cut_files, verify,
};
use common::{options, run, tree};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Raw records have more than two pages.
const SIDE: usize = 64;
const ENCODINGS: [Encoding; 2] = [Encoding::Raw, Encoding::Jpeg { quality: 90 }];
/// Says to a test that it runs in a process of its own.
const CHILD: &str = "ALEXNET_TEST_CHILD";

/// A dataset of 12 train images in shards of 6; its first shard.
fn dataset(encoding: Encoding) -> (TempDir, PathBuf, PathBuf) {
    dataset_of(encoding, 6)
}

/// A dataset of 12 train images in shards of so many; its first shard.
fn dataset_of(encoding: Encoding, records: usize) -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["a", "b"], 6, SIDE);
    let options = options(&input.join("train"), &output, SIDE);
    run(&PrepareOptions { encoding, shard_records: Some(records), ..options }).unwrap();
    let shard = output.join("train-00000.shard");
    (dir, output, shard)
}

/// The pixels of every record of train.
fn read(dataset: &Dataset) -> Vec<Vec<u8>> {
    let train = dataset.split("train").unwrap();
    (0..train.len()).map(|i| train.record(i).unwrap().pixels.into_owned()).collect()
}

fn set_length(path: &Path, length: u64) {
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// Reads record 5, also into a batch: it is of the shard `path`, with `found` of so many bytes.
fn is_unreadable(dataset: &Dataset, path: &Path, found: u64, expected: u64) {
    let train = dataset.split("train").unwrap();
    let view = View { record: 0, top: 0, left: 0, flip: false, resized_from: None };
    let batch = Batch::new().fill_views(train, 4..6, [SIDE; 2], view).unwrap_err();
    let record = train.record(5).unwrap_err();
    for (error, number) in [(batch, 4), (record, 5)] {
        let text = error.to_string();
        let lengths = format!("from {expected} to {found} bytes");
        let what = if found < expected { "was cut short" } else { "has grown" };
        let words = [what, &lengths, &format!("at record {number};"), "alexnet verify --repair"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.starts_with(&path.display().to_string()), "{text}");
        assert!(matches!(error, Error::UnreadableRecord { .. }) && !error.is_refusal());
    }
}

/// A shard that was cut short or has grown, whether its records were read before or not.
#[test]
fn another_length() {
    for encoding in ENCODINGS {
        for was_read_before in [false, true] {
            let (_guard, output, shard) = dataset(encoding);
            let whole = fs::metadata(&shard).unwrap().len();
            let dataset = Dataset::open(&output).unwrap();
            if was_read_before {
                read(&dataset);
            }
            for length in [whole / 2, whole - 1, whole + 1, 0] {
                set_length(&shard, length);
                is_unreadable(&dataset, &shard, length, whole);
            }
            // The other shard is as it was.
            dataset.split("train").unwrap().record(6).unwrap();
        }
    }
}

/// With the handler no look comes before a record that was read before, so this meets the missing
/// pages, in two shards, one after another. The handler is the whole process's, so the test runs
/// itself in a process of its own.
#[test]
fn missing_pages() {
    if std::env::var_os(CHILD).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", "missing_pages"]).env(CHILD, "1");
        let output = child.output().unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    survive_cut_files();
    for encoding in ENCODINGS {
        let (_guard, output, shard) = dataset(encoding);
        let whole = fs::read(&shard).unwrap();
        let dataset = Dataset::open(&output).unwrap();
        let pixels = read(&dataset);
        set_length(&shard, 100);
        is_unreadable(&dataset, &shard, 100, whole.len() as u64);
        // What was missing stays missing until the file is opened again.
        fs::write(&shard, &whole).unwrap();
        let error = dataset.split("train").unwrap().record(5).unwrap_err();
        assert!(matches!(error, Error::UnreadableRecord { record: 5, .. }), "{error}");
        assert!(error.is_refusal(), "the file is as it should be");
        assert_eq!(read(&Dataset::open(&output).unwrap()), pixels);
        assert!(verify(&output, &|_, _| ()).unwrap().is_empty());
    }
}

/// A shard that was overwritten in its length: the changed record is an error, others are read.
#[test]
fn other_bytes() {
    for encoding in ENCODINGS {
        let (_guard, output, shard) = dataset(encoding);
        let dataset = Dataset::open(&output).unwrap();
        let (train, pixels) = (dataset.split("train").unwrap(), read(&dataset));
        let mut bytes = fs::read(&shard).unwrap();
        bytes[4096 + 20] ^= 1; // of record 0
        let index = u64::from_le_bytes(bytes[56..64].try_into().unwrap()) as usize;
        bytes[index..].fill(0xff); // what is known of lengths and labels was read before
        fs::write(&shard, &bytes).unwrap();
        let error = train.record(0).unwrap_err();
        assert!(matches!(error, Error::DamagedRecord { record: 0, .. }), "{error}");
        for (i, pixels) in pixels.iter().enumerate().skip(1) {
            assert_eq!(&train.record(i).unwrap().pixels, pixels, "{i}");
        }
    }
}

/// A shard that is cut short while it is verified has one fault, not one for each record.
#[test]
fn cut_short_while_verified() {
    let (_guard, output, shard) = dataset_of(Encoding::Raw, 12);
    let (whole, checked) = (fs::metadata(&shard).unwrap().len(), AtomicU64::new(0));
    let cut = |done, _| {
        checked.fetch_max(done, Ordering::Relaxed);
        set_length(&shard, whole - 1);
    };
    let faults = verify(&output, &cut).unwrap();
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((&*fault.file, checked.into_inner()), ("train-00000.shard", 12));
    assert!(fault.record.is_none() && fault.problem.contains("cut short"), "{fault}");
}

/// Other times, another file in the place of the shard, and no file there are harmless.
#[test]
fn harmless() {
    let (_guard, output, shard) = dataset(Encoding::Raw);
    let dataset = Dataset::open(&output).unwrap();
    let pixels = read(&dataset);
    let file = File::options().write(true).open(&shard).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(read(&dataset), pixels);
    fs::hard_link(&shard, output.join("link")).unwrap();
    assert_eq!(read(&dataset), pixels);
    fs::write(output.join("other"), b"short").unwrap();
    fs::rename(output.join("other"), &shard).unwrap();
    assert_eq!(read(&dataset), pixels);
    fs::remove_file(&shard).unwrap();
    assert_eq!(read(&dataset), pixels);
}
