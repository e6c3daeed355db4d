//! Links in a tree of classes, and names that are not UTF-8.

#![cfg(unix)]

mod common;

use alexnet_data::{Dataset, PrepareOptions, Summary};
use common::{options, picture, png, put, run, tree};
use image::ExtendedColorType::Rgb8;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

const SIDE: usize = 8;

fn prepared(root: &Path) -> (Summary, Vec<u64>, String) {
    let output = root.join("out");
    let summary = run(&options(&root.join("in"), &output, SIDE)).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    let counts = dataset.split("train").unwrap().images_per_class().to_vec();
    (summary, counts, fs::read_to_string(output.join("report.jsonl")).unwrap())
}

/// A link to the folder of all classes, above it, to another class or into one, gives no image a
/// second class.
#[test]
fn links_to_classes_are_not_followed() {
    for target in ["..", "../..", "/", "../dog", "../dog/deep", "../cat", "."] {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), "in", &["cat", "dog", "owl", "dog/deep"], 4, SIDE);
        fs::create_dir(dir.path().join("in/cat/sub")).unwrap();
        symlink(target, dir.path().join("in/cat/all")).unwrap();
        let (summary, counts, report) = prepared(dir.path());
        assert_eq!(counts, [4, 8, 4], "{target}");
        assert_eq!(summary.skipped, 1, "{target}: {report}");
        assert!(report.contains("\"cat/all\"") && report.contains("a link"), "{report}");
        let output = dir.path().join("strict");
        let strict =
            PrepareOptions { strict: true, ..options(&dir.path().join("in"), &output, SIDE) };
        assert!(run(&strict).unwrap_err().to_string().contains("cat/all"));
    }
}

/// Neither does a link to the classes of another split.
#[test]
fn links_between_splits() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), "in/train", &["cat", "dog"], 3, SIDE);
    tree(dir.path(), "in/val", &["cat", "dog"], 2, SIDE);
    symlink("../../val", dir.path().join("in/train/cat/more")).unwrap();
    let (summary, counts, _) = prepared(dir.path());
    assert_eq!((counts, summary.skipped), (vec![3, 3], 1));
}

/// A class folder may be a link, and so may folders and files in it.
#[test]
fn linked_class_folders_work() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), "in", &["cat"], 2, SIDE);
    tree(dir.path(), "elsewhere", &["dog", "more"], 3, SIDE);
    symlink(dir.path().join("elsewhere/dog"), dir.path().join("in/dog")).unwrap();
    symlink(dir.path().join("elsewhere/more"), dir.path().join("in/cat/more")).unwrap();
    symlink("../../elsewhere/dog/000.png", dir.path().join("in/cat/one.png")).unwrap();
    let (summary, counts, report) = prepared(dir.path());
    assert_eq!((counts, summary.skipped, report.len()), (vec![6, 3], 0, 0));
}

/// A class folder that is another one, or is above one, is refused.
#[test]
fn class_folders_that_are_one() {
    for target in ["cat", ".", "..", "cat/deep"] {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), "in", &["cat", "cat/deep", "dog"], 2, SIDE);
        symlink(target, dir.path().join("in/kitty")).unwrap();
        let result = run(&options(&dir.path().join("in"), &dir.path().join("out"), SIDE));
        let text = result.unwrap_err().to_string();
        assert!(text.contains("`kitty`") && text.contains("remove the link"), "{text}");
    }
}

/// Links that lead nowhere or in a circle are reported, whatever stands at their place.
#[test]
fn links_that_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), "in", &["cat"], 2, SIDE);
    for (target, name) in [
        ("nowhere.png", "cat/file.png"),
        ("circle", "cat/circle"),
        ("000.png/x", "cat/through_a_file"),
        ("/nowhere/dog", "dog"),
    ] {
        symlink(target, dir.path().join("in").join(name)).unwrap();
    }
    let (summary, _, report) = prepared(dir.path());
    assert_eq!((summary.images, summary.classes, summary.skipped), (2, 1, 4), "{report}");
    for name in ["cat/file.png", "cat/circle", "cat/through_a_file", "dog"] {
        assert!(report.contains(&format!("{name:?}")), "{report}");
    }
}

/// Files, classes and folders may have any names; the report tells them apart.
#[test]
fn names_that_are_not_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let (input, output) = (dir.path().join(name(b"in\xff")), dir.path().join(name(b"out\xff")));
    for (n, class) in
        [name(b"caf\xe9"), name(b"caf\xe8"), name("café".as_bytes())].iter().enumerate()
    {
        for file in [name(b"\xe9.png"), name(b"\xe8.png")] {
            fs::create_dir_all(input.join(class)).unwrap();
            fs::write(input.join(class).join(file), png(&picture(8, 8, n), 8, 8, Rgb8)).unwrap();
        }
        put(&input.join(class), "good.png", &png(&picture(8, 8, n), 8, 8, Rgb8));
        fs::write(input.join(class).join(name(b"no\xe9.png")), b"no image").unwrap();
    }
    let summary = run(&options(&input, &output, SIDE)).unwrap();
    assert_eq!((summary.images, summary.classes, summary.skipped), (9, 3, 3));
    assert_eq!(summary.report, output.join("report.jsonl"));
    let dataset = Dataset::open(&output).unwrap();
    let names: Vec<_> = dataset.manifest().classes.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["café", r"caf\xE8", r"caf\xE9"]);
    let report = fs::read_to_string(output.join("report.jsonl")).unwrap();
    assert!(report.contains(r#""caf\\xE9/no\\xE9.png""#), "{report}");
}
