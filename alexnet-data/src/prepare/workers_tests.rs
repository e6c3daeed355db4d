//! Workers that panic: whole shards stay, and the bytes are the same in the end.

use super::options::PrepareOptions;
use super::preparation::Preparation;
use super::shard_plan::ShardPlan;
use super::source::Source;
use super::source::listing::{Images, LoadError, Scan};
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::progress::Stage;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SIZE: usize = 4;

/// Twenty images; reading number `dies_at` panics.
struct Fragile {
    dies_at: usize,
}

impl Images for Fragile {
    fn len(&self) -> usize {
        20
    }

    fn label(&self, i: usize) -> u32 {
        (i % 2) as u32
    }

    fn name(&self, i: usize) -> String {
        i.to_string()
    }

    fn load(&self, i: usize, _: &mut Decoder) -> Result<Pixels, LoadError> {
        assert_ne!(i, self.dies_at, "the panic this test is about");
        let data = (0..SIZE * SIZE * 3).map(|v| (v / SIZE + i * 13) as u8).collect();
        Ok(Pixels::new(SIZE, SIZE, data))
    }
}

/// Makes the shards that are not finished yet; returns how many images were written to them.
fn run(dir: &Path, dies_at: usize, threads: usize) -> (Result<()>, usize) {
    let stop = &AtomicBool::new(false);
    let mut scan = Scan::new(&|_| (), dir, stop);
    scan.add(Stage::Train, Fragile { dies_at });
    let options = PrepareOptions::new(Source::Folder, "in", dir);
    let options = PrepareOptions { size: SIZE, shard_records: Some(5), ..options };
    let plan = ShardPlan::new(&options, ["a", "b"].map(Class::named).into(), &scan);
    let images = AtomicUsize::new(0);
    let progress = &|_| _ = images.fetch_add(1, Ordering::Relaxed);
    let preparation = Preparation { plan, splits: scan.splits, dir, threads, progress, stop };
    (preparation.write_shards(|_| true), images.load(Ordering::Relaxed))
}

fn contents(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    let mut files: Vec<_> =
        entries.map(|e| (e.file_name(), std::fs::read(e.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_worker_that_panics() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    assert!(run(&whole, usize::MAX, 2).0.is_ok());
    let want = contents(&whole);
    assert_eq!(want.len(), 8); // four shards, each with its result
    let mut kept = 0;
    for dies_at in 0..20 {
        for threads in 1..4 {
            let out = tempfile::tempdir_in(dir.path()).unwrap();
            let (result, _) = run(out.path(), dies_at, threads);
            assert!(matches!(result, Err(Error::Worker)), "{result:?}");
            // The files that are there are whole, and no unfinished file is left.
            let left = contents(out.path());
            assert!(left.len() < 8 && left.iter().all(|file| want.contains(file)));
            kept += left.len();
            let (result, images) = run(out.path(), usize::MAX, 4 - threads);
            assert!(result.is_ok());
            assert_eq!(images, 20 - left.len() / 2 * 5, "whole shards are not made again");
            assert_eq!(contents(out.path()), want);
        }
    }
    assert!(kept > 0);
}
