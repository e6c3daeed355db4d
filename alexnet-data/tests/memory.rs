//! A reader of a damaged dataset allocates no more than the length of its files.
//!
//! The only test of its file: the counting allocator sees the whole process.

#![allow(clippy::print_stdout)] // the figures, with --nocapture

mod common;

use alexnet_data::{Dataset, Encoding, Error, PrepareOptions};
use common::{contents, options, put, run};
use peak_alloc::PeakAlloc;
use std::fs;
use std::path::Path;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The decoder's tables for a JPEG record, which do not grow with the files.
const TABLES: usize = 16 << 10;

/// Opens a dataset and reads everything in it.
fn read_all(dir: &Path) -> Result<usize, Error> {
    let (dataset, mut buffer) = (Dataset::open(dir)?, Vec::new());
    let mut records = 0;
    for split in dataset.splits() {
        for i in 0..split.len() {
            split.record_with(i, &mut buffer)?;
            records += 1;
        }
    }
    Ok(records)
}

/// The most memory that reading has allocated at once.
fn peak(dir: &Path) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    drop(read_all(dir));
    MEMORY.peak_usage().saturating_sub(before)
}

/// Every byte of every file is flipped, and every file cut to every length (every seventh for
/// JPEG).
#[test]
fn no_more_than_the_files() {
    for (encoding, step) in [(Encoding::Raw, 1), (Encoding::Jpeg { quality: 90 }, 7)] {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in"), dir.path().join("out"));
        common::tree(&input, "train", &["a", "b"], 2, 5);
        common::tree(&input, "val", &["a", "b"], 1, 5);
        put(&input, "train/a/x.png", b"no image"); // a report that is not empty
        let small = options(&input, &output, 4);
        run(&PrepareOptions { shard_records: Some(3), encoding, ..small }).unwrap();
        assert_eq!(read_all(&output).unwrap(), 6);
        let constant = if encoding == Encoding::Raw { 0 } else { TABLES };
        let files = contents(&output);
        let all: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut most, mut what) = (peak(&output), String::from("nothing"));
        let mut note = |peak: usize, text: &dyn Fn() -> String| {
            if peak > most {
                (most, what) = (peak, text());
            }
        };
        for (name, bytes) in &files {
            let path = output.join(name);
            for i in (0..bytes.len()).step_by(step) {
                for mask in [1 << (i % 8), 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[i] ^= mask;
                    fs::write(&path, &damaged).unwrap();
                    drop(damaged);
                    note(peak(&output), &|| format!("{name}: byte {i} ^ {mask:02x}"));
                }
                fs::write(&path, &bytes[..i]).unwrap();
                note(peak(&output), &|| format!("{name}: {i} bytes"));
            }
            fs::write(&path, bytes).unwrap();
        }
        println!("{encoding:?}: at most {most} bytes at once, of {all} in files ({what})");
        assert!(most <= all + constant, "{most} bytes at once, of {all} in files: {what}");
    }
}
