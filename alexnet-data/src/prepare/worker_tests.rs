//! A worker that dies in the middle, and stops again and again: what is whole stays, and the end is the same bytes.

use super::budget::overhead;
use super::job::JobFile;
use super::piece::Piece;
use super::split::{Work, write_split};
use super::{Images, Listing, PrepareOptions, Source, Stage};
use crate::{Class, Decoder, Error, Mixture, Pixels};
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

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert_ne!(i, self.dies_at, "the panic this test is about");
        let size = decoder.size();
        let data = (0..size * size * 3).map(|v| (v / size + i * 13) as u8).collect();
        Ok(Pixels { height: size, width: size, data, damage: None })
    }
}

/// Writes the shards that are not whole yet; how many images were read for it.
fn run(dir: &Path, dies_at: usize, threads: usize) -> (Result<(), Error>, usize) {
    write(dir, dies_at, threads, (SIZE, Mixture::RAW), usize::MAX)
}

/// The same in pictures of a size and records of a mixture, stopped after so many of them.
fn write(
    dir: &Path,
    dies_at: usize,
    threads: usize,
    (size, encoding): (usize, Mixture),
    stops_after: usize,
) -> (Result<(), Error>, usize) {
    let images = Fragile { dies_at, calls: AtomicUsize::new(0) };
    let options = PrepareOptions { size, ..PrepareOptions::new(Source::Folder, "in", dir) };
    let same = Fragile { dies_at, calls: AtomicUsize::new(0) };
    let listing = Listing {
        classes: ["a", "b"].map(Class::named).into(),
        splits: vec![(Stage::Train, Box::new(same) as _)],
        ignored: 0,
        odd: Vec::new(),
    };
    let mut job = JobFile::new(&options, 5, &listing);
    job.encoding = encoding;
    if let Some(records) = encoding.budget {
        job.encoding.budget = Some(overhead(&job) + records);
    }
    let plan = &job.splits[0];
    let done = |shard: &usize| Piece::load(dir, &plan.shard(*shard)).is_some();
    let todo: Vec<_> = (0..job.shards(plan)).filter(|shard| !done(shard)).collect();
    let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let progress = |_| {
        let now = written.fetch_add(1, Ordering::Relaxed) + 1;
        stop.fetch_or(now == stops_after, Ordering::Relaxed);
    };
    let work = Work {
        job: &job,
        plan,
        stage: Stage::Train,
        images: &images,
        threads,
        total: plan.images as u64,
        before: 0,
        dir,
        progress: &progress,
        stop: &stop,
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

/// All shards are too large for their share at first: each is 15,480 bytes of raw records where there
/// may be 14,000, and is made twice, of 10 images in all. Stopped after 12, a preparation gets on by a
/// shard each time.
#[test]
fn stopped_again_and_again_within_a_budget() {
    let budget = Some(4 * 14_000);
    let mixture = (32, Mixture { quality: Some(90), budget, ..Mixture::RAW });
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    let (result, read) = write(&whole, usize::MAX, 2, mixture, usize::MAX);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(read, 2 * 20, "each shard is made twice");
    let want = contents(&whole);
    assert_eq!(want.len(), 8);
    for threads in 1..4 {
        let out = tempfile::tempdir_in(dir.path()).unwrap();
        for shards in 1..4 {
            let (result, _) = write(out.path(), usize::MAX, threads, mixture, 12);
            assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
            assert_eq!(contents(out.path()).len(), 2 * shards);
        }
        assert!(write(out.path(), usize::MAX, threads, mixture, 12).0.is_ok());
        assert!(contents(out.path()) == want);
    }
}
