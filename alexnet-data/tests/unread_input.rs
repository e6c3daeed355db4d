//! What cannot be read ends a preparation, which goes on to the same bytes when it can be read
//! again; only what cannot be decoded is skipped.

#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use alexnet_data::{Encoding, Error, PrepareOptions, Progress, Source, prepare};
use common::archives::tar_of;
use common::{contents, options, picture, png, put, run, tree};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const SIDE: usize = 8;

/// Shards of five images.
fn five(input: &Path, output: &Path) -> PrepareOptions {
    PrepareOptions { shard_records: Some(5), ..options(input, output, SIDE) }
}

/// Prepares, and calls `change` after the image number `at`.
fn changed(options: &PrepareOptions, at: usize, change: impl Fn() + Sync) -> Result<(), Error> {
    let seen = AtomicUsize::new(0);
    let count = |p: Progress| {
        if p.total > 0 && seen.fetch_add(1, Relaxed) + 1 == at {
            change();
        }
    };
    prepare(options, &count).map(|_| ())
}

/// That `break_it` in the middle of a preparation ends it with an error that names `path`, and that
/// it goes on to the same bytes after `mend_it`.
fn ends_and_goes_on(
    options: &PrepareOptions,
    path: &str,
    break_it: &(dyn Fn() + Sync),
    mend_it: &dyn Fn(),
) {
    let output = &options.output;
    let whole = PrepareOptions { output: output.with_extension("whole"), ..options.clone() };
    if !whole.output.exists() {
        run(&whole).unwrap();
    }
    let error = changed(options, 12, break_it).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Io { .. }) && text.contains(path), "{text}");
    assert!(!text.contains('\n') && !output.join("manifest.json").exists(), "{text}");
    let kept = contents(output);
    assert!(kept.iter().any(|(name, _)| name.ends_with(".shard")), "whole shards stay");
    assert!(!kept.iter().any(|(name, _)| name.ends_with(".partial")));
    // While it is broken, the same call refuses again, and keeps what there is.
    run(options).unwrap_err();
    assert_eq!(contents(output), kept);
    mend_it();
    run(options).unwrap();
    assert_eq!(contents(output), contents(&whole.output));
    fs::remove_dir_all(output).unwrap();
}

#[test]
fn files_that_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (input, away) = (dir.path().join("in"), dir.path().join("away"));
    tree(&input, "train", &["a", "b"], 60, SIDE);
    tree(&input, "val", &["a", "b"], 3, SIDE);
    let options = five(&input, &dir.path().join("out"));
    let rename = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
    ends_and_goes_on(&options, "in", &|| rename(&input, &away), &|| rename(&away, &input));
    let class = input.join("train/b");
    ends_and_goes_on(&options, "train/b", &|| rename(&class, &away), &|| rename(&away, &class));
}

/// A file that has become a folder cannot be read, and is not one that cannot be decoded.
#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    tree(&input, ".", &["a"], 60, SIDE);
    let (options, away) = (five(&input, &dir.path().join("out")), dir.path().join("away"));
    let swap = || {
        fs::rename(input.join("a"), &away).unwrap();
        for i in 0..60 {
            fs::create_dir_all(input.join(format!("a/{i:03}.png"))).unwrap();
        }
    };
    let back = || {
        fs::remove_dir_all(input.join("a")).unwrap();
        fs::rename(&away, input.join("a")).unwrap();
    };
    ends_and_goes_on(&options, ".png", &swap, &back);
    // Also while the sample for a budget is read.
    let encoding = Encoding::Budget { bytes: 1 << 20, quality: 95 };
    let output = dir.path().join("budget");
    let budget = PrepareOptions { encoding, output, ..options };
    let listed = |p: Progress| {
        if p.total == 0 && p.done == 60 {
            swap();
        }
    };
    let error = prepare(&budget, &listed).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(!budget.output.exists());
}

/// An archive that has become shorter.
#[test]
fn an_archive_that_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let sample = |i: usize| {
        let image = png(&picture(SIDE, SIDE, i), SIDE, SIDE, Rgb8);
        [(format!("{i:03}.png"), image), (format!("{i:03}.cls"), b"0".to_vec())]
    };
    let tar = tar_of(&(0..60).flat_map(sample).collect::<Vec<_>>());
    let path = put(&input, "train.tar", &tar);
    let options = five(&input, &dir.path().join("out"));
    let options = PrepareOptions { source: Source::WebDataset, ..options };
    let whole = PrepareOptions { output: dir.path().join("whole"), ..options.clone() };
    run(&whole).unwrap();
    let cut = || fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(600).unwrap();
    let error = changed(&options, 12, cut).unwrap_err();
    assert!(
        matches!(error, Error::Io { .. }) && error.to_string().contains("train.tar"),
        "{error}"
    );
    fs::write(&path, &tar).unwrap();
    run(&options).unwrap();
    assert_eq!(contents(&options.output), contents(&whole.output));
}

/// A folder that cannot be listed ends the preparation, wherever it is; a class in it would be
/// lost.
#[cfg(unix)]
#[test]
fn folders_that_cannot_be_listed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for closed in ["in", "in/train", "in/train/a", "in/train/a/deep", "in/val", "in/val/b"] {
        let (input, output) = (dir.path().join("in"), dir.path().join("out"));
        tree(&input, "train", &["a", "b", "a/deep"], 2, SIDE);
        tree(&input, "val", &["a", "b"], 2, SIDE);
        let allow = |mode| {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(dir.path().join(closed), permissions).unwrap();
        };
        allow(0o000);
        if fs::read_dir(dir.path().join(closed)).is_ok() {
            return println!("skipped: this user may list every folder");
        }
        let result = run(&options(&input, &output, SIDE));
        allow(0o755);
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{closed}: {error}");
        assert!(error.to_string().contains(closed) && !output.exists(), "{error}");
        run(&options(&input, &output, SIDE)).unwrap();
        fs::remove_dir_all(output).unwrap();
    }
}
