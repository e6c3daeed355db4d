//! A worker that dies in the middle: a typed error, what is whole stays, the next run ends in the same bytes.

use super::job::JobFile;
use super::piece::Piece;
use super::split::{Work, write_split};
use super::{Images, Listing, PrepareOptions, Source, Stage};
use crate::{Class, Error, Exif, Pixels};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SIZE: usize = 4;

/// Twenty pictures; the reading of number `dies_at` panics.
struct Fragile {
    dies_at: usize,
    calls: AtomicUsize,
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

    fn load(&self, i: usize, size: usize, _exif: Exif) -> Result<Pixels, String> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert_ne!(i, self.dies_at, "the panic this test is about");
        let data = (0..size * size * 3).map(|v| (v * 7 + i * 13) as u8).collect();
        Ok(Pixels { height: size, width: size, data, damage: None })
    }
}

/// Writes the shards that are not whole yet; how many images were read for it.
fn run(dir: &Path, dies_at: usize, threads: usize) -> (Result<(), Error>, usize) {
    let images = Fragile { dies_at, calls: AtomicUsize::new(0) };
    let options = PrepareOptions { size: SIZE, ..PrepareOptions::new(Source::Folder, "in", dir) };
    let same = Fragile { dies_at, calls: AtomicUsize::new(0) };
    let listing = Listing {
        classes: ["a", "b"].map(Class::named).into(),
        splits: vec![(Stage::Train, Box::new(same) as _)],
        ignored: 0,
        odd: Vec::new(),
    };
    let job = JobFile::new(&options, 5, &listing);
    let plan = &job.splits[0];
    let done = |shard: &usize| Piece::load(dir, &plan.shard(*shard)).is_some();
    let todo: Vec<_> = (0..job.shards(plan)).filter(|shard| !done(shard)).collect();
    let work = Work {
        job: &job,
        plan,
        stage: Stage::Train,
        images: &images,
        threads,
        total: plan.images as u64,
        before: 0,
        dir,
        progress: &|_| (),
        stop: &AtomicBool::new(false),
    };
    let result = write_split(&work, &todo);
    (result, images.calls.into_inner())
}

fn contents(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    let mut files: Vec<_> =
        entries.map(|e| (e.file_name(), std::fs::read(e.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_dying_worker() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    assert!(run(&whole, usize::MAX, 2).0.is_ok());
    let want = contents(&whole);
    assert_eq!(want.len(), 8); // four shards, a piece each
    let mut kept = 0;
    for dies_at in 0..20 {
        for threads in 1..4 {
            let out = tempfile::tempdir_in(dir.path()).unwrap();
            let (result, _) = run(out.path(), dies_at, threads);
            assert!(matches!(result, Err(Error::Worker)), "{result:?}");
            // What is there is whole, and nothing of what was under way is left.
            let left = contents(out.path());
            assert!(left.len() < 8 && left.iter().all(|file| want.contains(file)));
            kept += left.len();
            let (result, read) = run(out.path(), usize::MAX, 4 - threads);
            assert!(result.is_ok());
            assert_eq!(read, 20 - left.len() / 2 * 5, "whole shards are not read again");
            assert_eq!(contents(out.path()), want);
        }
    }
    assert!(kept > 0);
}
