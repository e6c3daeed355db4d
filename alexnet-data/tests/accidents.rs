//! Interrupted, killed and competing preparations end in the bytes of an undisturbed one.

#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use alexnet_data::{
    Encoding, Error, PrepareOptions, Progress, Source, Stage, prepare, prepare_until,
};
use common::archives::tar_of;
use common::{contents, jpeg, options, picture, png, put, run, tree};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;

/// 26 train and 6 val images, four of them no images; in shards of 5.
fn input() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    tree(&input, "train", &["a", "b"], 12, 10);
    tree(&input, "val", &["a", "b"], 2, 10);
    for path in ["train/a/x.jpg", "train/b/y.jpg", "val/a/x.jpg", "val/b/y.jpg"] {
        put(&input, path, b"no image");
    }
    (dir, input)
}

fn five(input: &Path, output: &Path) -> PrepareOptions {
    PrepareOptions { shard_records: Some(5), ..options(input, output, 8) }
}

/// Interrupts a preparation after `done` of its images in all stages.
fn interrupted(options: &PrepareOptions, done: usize) -> Result<(), Error> {
    let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let count = |p: Progress| {
        if p.total > 0 && seen.fetch_add(1, Relaxed) + 1 == done {
            stop.store(true, Relaxed);
        }
    };
    prepare_until(options, &count, &stop).map(|_| ())
}

/// Interrupted anywhere, again and again, with another number of threads each time, a preparation
/// makes the same bytes.
#[test]
fn an_interrupted_preparation_continues() {
    let (dir, input) = input();
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let want_summary = run(&five(&input, &whole)).unwrap();
    let want = contents(&whole);
    assert!(want.iter().all(|(name, _)| !name.starts_with('.')));
    for step in 1..32 {
        let mut runs = 0;
        let options =
            |runs: usize| PrepareOptions { threads: 1 + runs % 3, ..five(&input, &output) };
        while let Err(error) = interrupted(&options(runs), 5 + step) {
            assert!(matches!(error, Error::Interrupted { .. }), "{error}");
            assert!(!output.join("manifest.json").exists());
            runs += 1;
            assert!(runs < 10);
        }
        assert_eq!(contents(&output), want, "after {runs} interruptions, every {step}");
        fs::remove_dir_all(&output).unwrap();
    }
    // Before the first whole shard, nothing is left.
    assert!(interrupted(&five(&input, &output), 2).is_err() && !output.exists());
    let summary = run(&five(&input, &output)).unwrap();
    assert_eq!((summary.images, summary.skipped), (want_summary.images, want_summary.skipped));
}

/// The shards of val, of four hard images each, are too large for their share of a budget at first,
/// and are made several times. A preparation that is interrupted whenever a shard and two images
/// are made finishes one more shard each time.
#[test]
fn interrupted_again_and_again_within_a_budget() {
    let dir = tempfile::tempdir().unwrap();
    let (input, whole) = (dir.path().join("in"), dir.path().join("whole"));
    tree(&input, "train", &["a"], 12, 40);
    for i in 0..12 {
        let noise = |p: usize| ((p * 7919 + i * 104_729) ^ (p * p * 31 + i)) as u8;
        let pixels: Vec<u8> = (0..40 * 40 * 3).map(noise).collect();
        put(&input, &format!("val/a/{i:03}.png"), &png(&pixels, 40, 40, Rgb8));
    }
    let encoding = Encoding::Budget { bytes: 110_000, quality: 95 };
    let with = |output: &Path, threads| {
        let options = options(&input, output, 40);
        PrepareOptions { encoding, threads, shard_records: Some(4), ..options }
    };
    let seen = AtomicUsize::new(0);
    prepare(&with(&whole, 2), &|p: Progress| {
        seen.fetch_add(usize::from(p.stage == Stage::Val), Relaxed);
    })
    .unwrap();
    let images = seen.into_inner();
    assert!(images >= 2 * 12 && images.is_multiple_of(12), "{images}");
    let want = contents(&whole);
    for threads in 1..4 {
        let output = dir.path().join(format!("out{threads}"));
        let options = with(&output, threads);
        interrupted(&options, 12).unwrap_err();
        for shards in 1..3 {
            let error = interrupted(&options, images / 3 + 2).unwrap_err();
            assert!(matches!(error, Error::Interrupted { .. }), "{error}");
            let left = contents(&output);
            let done = left.iter().filter(|(name, _)| name.starts_with(".val"));
            assert_eq!(done.count(), shards);
        }
        interrupted(&options, usize::MAX).unwrap();
        assert!(contents(&output) == want);
    }
}

/// The files that a killed run leaves are checked: a damaged or missing one is made again, and
/// unfinished ones are removed.
#[test]
fn unfinished_files_are_checked() {
    let (dir, input) = input();
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    run(&five(&input, &whole)).unwrap();
    let want = contents(&whole);
    interrupted(&five(&input, &output), 27).unwrap_err();
    let left = contents(&output);
    assert!(left.iter().filter(|(name, _)| name.ends_with(".done")).count() >= 3);
    let restore = || {
        let _ = fs::remove_dir_all(&output);
        fs::create_dir(&output).unwrap();
        left.iter().for_each(|(name, bytes)| fs::write(output.join(name), bytes).unwrap());
        fs::write(output.join(".train-00009.shard.Ab12Cd.partial"), b"half").unwrap();
    };
    for (name, bytes) in &left {
        for damage in 0..3 {
            restore();
            let path = output.join(name);
            match damage {
                0 => fs::remove_file(&path).unwrap(),
                1 => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                _ => {
                    // In a header or a result; `verify` finds damage in pixels.
                    let mut bytes = bytes.clone();
                    bytes[40] ^= 4;
                    fs::write(&path, bytes).unwrap();
                }
            }
            match run(&five(&input, &output)) {
                Ok(_) => assert_eq!(contents(&output), want, "{name}, {damage}"),
                // Without the plan, the content of the shards is unknown.
                Err(Error::Unfinished { .. }) => assert!(name == ".prepare.json" && damage == 0),
                Err(Error::OtherPreparation { .. }) => assert!(name == ".prepare.json"),
                Err(error) => panic!("{name}, {damage}: {error}"),
            }
        }
    }
    // Killed between the manifest and the tidying: the next run tidies.
    restore();
    want.iter().for_each(|(name, bytes)| fs::write(output.join(name), bytes).unwrap());
    assert_eq!(run(&five(&input, &output)).unwrap().skipped, 4);
    assert_eq!(contents(&output), want);
    assert!(matches!(run(&five(&input, &output)), Err(Error::AlreadyPrepared { .. })));
}

/// Another command does not continue where this one stopped, and removes nothing of it.
#[test]
fn another_preparation_is_refused() {
    let (dir, input) = input();
    let output = dir.path().join("out");
    interrupted(&five(&input, &output), 27).unwrap_err();
    let left = contents(&output);
    let refused = |options: PrepareOptions, part: &str| {
        let text = run(&options).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
        assert_eq!(contents(&output), left);
    };
    refused(PrepareOptions { size: 9, ..five(&input, &output) }, "size was 8 and now is 9");
    refused(options(&input, &output, 8), "shard length");
    refused(five(&input.join("train"), &output), "number of images");
    refused(five(&dir.path().join("missing"), &output), "missing");
    fs::rename(input.join("val/a/000.png"), input.join("val/a/other.png")).unwrap();
    refused(five(&input, &output), "list of images");
    fs::rename(input.join("val/a/other.png"), input.join("val/a/000.png")).unwrap();
    put(&output, "notes.txt", b"mine");
    assert!(matches!(run(&five(&input, &output)), Err(Error::NotEmpty { .. })));
    fs::remove_file(output.join("notes.txt")).unwrap();
    run(&five(&input, &output)).unwrap();
}

/// Of two processes at once, the second is refused, and the first is not disturbed.
#[test]
fn one_at_a_time() {
    let (dir, input) = input();
    let output = dir.path().join("out");
    let second = std::sync::OnceLock::new();
    let on_first = |p: Progress| {
        if p.total > 0 {
            second.get_or_init(|| run(&five(&input, &output)).unwrap_err().to_string());
        }
    };
    prepare(&five(&input, &output), &on_first).unwrap();
    let holder = format!("process {} on host ", std::process::id());
    assert!(second.get().unwrap().starts_with(&holder), "{second:?}");
    assert!(!output.join(".prepare.lock").exists());
}

/// An output that cannot be written is an error at once, with its path.
#[test]
fn read_only_folders() {
    let (dir, input) = input();
    let refused = |output: &Path| {
        let error = run(&five(&input, output)).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&*output.to_string_lossy()) && !text.contains('\n'), "{text}");
    };
    // Below a file there is no folder, whoever asks.
    let file = put(dir.path(), "file", b"mine");
    refused(&file.join("out"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let mut permissions = fs::metadata(&closed).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&closed, permissions).unwrap();
    if fs::write(closed.join("probe"), b"").is_ok() {
        println!("skipped: this user may write into read-only folders");
        return;
    }
    refused(&closed);
    refused(&closed.join("out"));
}

/// If an archive is cut short between two runs, the error says so and whole shards stay; with the
/// whole archive, the preparation continues to the same bytes.
#[test]
fn an_archive_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let files: Vec<_> = (0..20)
        .flat_map(|i| {
            let image = jpeg(&picture(8, 8, i), 8, 8);
            [(format!("{i:03}.jpg"), image), (format!("{i:03}.cls"), (i % 2).to_string().into())]
        })
        .collect();
    let tar = tar_of(&files);
    let path = put(&input, "train.tar", &tar);
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let options =
        |output: &Path| PrepareOptions { source: Source::WebDataset, ..five(&input, output) };
    run(&options(&whole)).unwrap();
    interrupted(&options(&output), 13).unwrap_err();
    let left = contents(&output);
    assert!(left.iter().any(|(name, _)| name.ends_with(".shard")));
    for cut in [0, 100, 512, tar.len() / 2, tar.len() - 1024, tar.len() - 1500] {
        fs::write(&path, &tar[..cut]).unwrap();
        let text = run(&options(&output)).unwrap_err().to_string();
        assert!(text.contains("train.tar") && text.contains("cut short"), "{cut}: {text}");
        assert_eq!(contents(&output), left);
    }
    fs::write(&path, &tar).unwrap();
    run(&options(&output)).unwrap();
    assert_eq!(contents(&output), contents(&whole));
}
