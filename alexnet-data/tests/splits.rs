//! Splits are what they are called, in folders and in WebDatasets; what is given and not used is
//! named, and inputs whose folders are no classes are refused.

mod common;

use alexnet_data::{Dataset, Error, PrepareOptions, Source, Summary};
use common::archives::tar_of;
use common::{options, picture, png, put, run, tree};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::Path;

const SIDE: usize = 8;

fn image(seed: usize) -> Vec<u8> {
    png(&picture(SIDE, SIDE, seed), SIDE, SIDE, Rgb8)
}

/// Prepares a folder or a WebDataset, as it is recognised.
fn prepared(input: &Path, output: &Path) -> Result<Summary, Error> {
    let source = Source::detect(input).unwrap();
    run(&PrepareOptions { source, ..options(input, output, SIDE) })
}

/// The name of each split, with its number of images.
fn splits(summary: &Summary) -> Vec<(&str, u64)> {
    summary.splits.iter().map(|(name, images)| (name.as_str(), *images)).collect()
}

fn report(output: &Path) -> String {
    fs::read_to_string(output.join("report.jsonl")).unwrap()
}

/// A tar of `n` samples of two classes.
fn tar(n: usize) -> Vec<u8> {
    let sample = |i: usize| {
        let label = (i % 2).to_string().into_bytes();
        [(format!("{i:03}.png"), image(i)), (format!("{i:03}.cls"), label)]
    };
    tar_of(&(0..n).flat_map(sample).collect::<Vec<_>>())
}

#[test]
fn folders_of_splits() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        ["train", "val", "test"],
        ["Training", "VALID", "Testing"],
        ["training", "validation", "TEST"],
        ["TRAIN", "Eval", "test"],
        ["train", "dev", "testing"],
        ["images_train", "images-val", "test.images"],
        ["train2017", "val2017", "test2017"],
    ];
    for (n, [train, val, test]) in names.iter().enumerate() {
        let (input, output) = (dir.path().join(format!("{n}")), dir.path().join(format!("o{n}")));
        tree(&input, train, &["cat", "dog"], 3, SIDE);
        tree(&input, val, &["cat", "dog"], 1, SIDE);
        tree(&input, test, &["cat", "dog"], 2, SIDE);
        let summary = prepared(&input, &output).unwrap();
        assert_eq!(splits(&summary), [("train", 6), ("val", 2), ("test", 4)], "{train}");
        assert!(summary.unused.is_empty() && summary.classes == 2);
    }
    // A test split is no val split.
    fs::remove_dir_all(dir.path().join("1/VALID")).unwrap();
    let summary = prepared(&dir.path().join("1"), &dir.path().join("two")).unwrap();
    assert_eq!(splits(&summary), [("train", 6), ("test", 4)]);
}

/// Folders whose names have a word for a split are splits where they hold the same classes.
#[test]
fn folders_beside_named_splits() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    for (split, images) in [("my_train", 3), ("my-dev", 1)] {
        tree(&input, split, &["cat", "dog"], images, SIDE);
    }
    put(&input, "sketches/more/0.png", &image(0));
    let summary = prepared(&input, &output).unwrap();
    assert_eq!(splits(&summary), [("train", 6), ("val", 2)]);
    assert_eq!(summary.unused, ["sketches (1 images in a folder that is no split)"]);
    // Whether these are splits or classes with parts, only a person knows.
    tree(&input, "unlabeled", &["cat"], 1, SIDE);
    let error = prepared(&input, &dir.path().join("two")).unwrap_err().to_string();
    let expected = "(my-dev, my_train), and each of them, like `unlabeled`, holds a folder `cat`";
    assert!(error.contains(expected), "{error}");
    // Without a folder in common they are classes.
    let classes = dir.path().join("classes");
    tree(&classes, "bullet_train", &["red"], 1, SIDE);
    tree(&classes, "test_tube", &["glass"], 1, SIDE);
    tree(&classes, "apple", &["red"], 1, SIDE);
    assert_eq!(prepared(&classes, &dir.path().join("three")).unwrap().classes, 3);
}

/// Folders beside the splits, and a test split without labels, are named; under `strict` they are
/// errors.
#[test]
fn what_is_not_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["cat", "dog"], 3, SIDE);
    tree(&input, "val", &["cat", "dog"], 1, SIDE);
    for i in 0..4 {
        put(&input, &format!("test/{i}.png"), &image(i));
        put(&input, &format!("more/deep/{i}"), &image(i));
    }
    put(&input, "notes/a.txt", b"text");
    let summary = prepared(&input, &output).unwrap();
    assert_eq!(splits(&summary), [("train", 6), ("val", 2)]);
    let [more, test] = &summary.unused[..] else { panic!("{:?}", summary.unused) };
    assert!(more.starts_with("more (4 images in"), "{more}");
    assert!(test.starts_with("test (4 images in") && test.contains("label"), "{test}");
    assert!(report(&output).contains("\"notes\"") && summary.skipped == 0);
    let strict = PrepareOptions { strict: true, ..options(&input, &dir.path().join("s"), SIDE) };
    let text = run(&strict).unwrap_err().to_string();
    assert!(text.contains("more (4 images") && text.contains("test (4 images"), "{text}");
    assert!(!dir.path().join("s").exists());

    // An image beside the splits is one that is skipped; ImageNet's folder of all test images, too,
    // is no class.
    let input = dir.path().join("in2");
    tree(&input, "train", &["cat"], 3, SIDE);
    tree(&input, "val", &["cat"], 1, SIDE);
    tree(&input, "test", &["images"], 5, SIDE);
    put(&input, "cover.png", &image(1));
    let summary = prepared(&input, &dir.path().join("out2")).unwrap();
    assert_eq!((summary.skipped, summary.unused.len()), (1, 1));
    assert!(summary.unused[0].starts_with("test (5 images"), "{:?}", summary.unused);
}

#[test]
fn folders_that_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let refused = |input: &str, parts: &[&str]| {
        let output = root.join("out");
        let text = run(&options(&root.join(input), &output, SIDE)).unwrap_err().to_string();
        assert!(parts.iter().all(|p| text.contains(p)) && !text.contains('\n'), "{text}");
        assert!(!output.exists(), "{text}");
    };
    // Splits with images instead of classes, without train, or twice.
    tree(root, "flat", &["train", "test"], 2, SIDE);
    refused("flat", &["test, train", "no class folders"]);
    tree(root, "flat2", &["train_images", "test_images"], 2, SIDE);
    refused("flat2", &["train_images", "train/CLASS/IMAGE"]);
    tree(root, "no_train/val", &["cat"], 1, SIDE);
    tree(root, "no_train/test", &["cat"], 1, SIDE);
    refused("no_train", &["test, val", "no tree `train`"]);
    for name in ["train", "val", "validation"] {
        tree(root, &format!("twice/{name}"), &["cat"], 1, SIDE);
    }
    refused("twice", &["`val` and `validation`"]);
    // A folder around the classes, or around the splits.
    tree(root, "high/a/b", &["cat", "dog"], 1, SIDE);
    put(root, "high/licence.txt", b"text");
    let text = format!("give {} instead", root.join("high/a/b").display());
    refused("high", &[&text]);
    tree(root, "higher/set/train", &["cat"], 1, SIDE);
    tree(root, "higher/set/val", &["cat"], 1, SIDE);
    fs::create_dir(root.join("higher/annotations")).unwrap();
    refused("higher", &[&format!("give {} instead", root.join("higher/set").display())]);
    // Splits inside of the classes.
    for class in ["cat", "dog"] {
        tree(root, &format!("inner/{class}"), &["train", "test"], 1, SIDE);
    }
    refused("inner", &["test, train", "CLASS"]);
    // Classes with such words in their names are classes.
    tree(root, "toys", &["bullet_train", "toy_train", "test_tube", "carnival"], 2, SIDE);
    let summary = run(&options(&root.join("toys"), &root.join("toys_out"), SIDE)).unwrap();
    assert_eq!((summary.classes, summary.images), (4, 8));
    tree(root, "traffic", &["train", "plane"], 2, SIDE);
    let summary = run(&options(&root.join("traffic"), &root.join("traffic_out"), SIDE)).unwrap();
    assert_eq!((summary.classes, summary.images), (2, 4));
}

/// An output inside the input would be a class of it.
#[test]
fn output_inside_the_input() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    tree(&input, ".", &["cat", "dog"], 2, SIDE);
    tree(dir.path(), "val", &["cat"], 1, SIDE);
    let val = Some(dir.path().join("val"));
    for output in ["in/out", "in/new/out", "in/cat", "in", "val/../in/x", "val/out"] {
        let output = dir.path().join(output);
        let options = PrepareOptions { val: val.clone(), ..options(&input, &output, SIDE) };
        let text = run(&options).unwrap_err().to_string();
        assert!(text.contains("inside the input"), "{text}");
    }
    assert!(!input.join("new").exists() && !input.join("out").exists());
    // Beside it, also under a name that begins alike, is right.
    run(&options(&input, &dir.path().join("in.out"), SIDE)).unwrap();
}

/// What file managers and archivers leave is neither image nor class.
#[test]
fn junk_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["cat", "dog"], 2, SIDE);
    tree(&input, "val", &["cat", "dog"], 1, SIDE);
    for path in ["__MACOSX/cat/._0.png", "train/@eaDir/x.jpg", "train/__MACOSX/x.png"] {
        put(&input, path, &image(1));
    }
    for path in ["cat/._000.png", "cat/.DS_Store", "dog/Thumbs.db", "dog/@eaDir/y.png"] {
        put(&input, &format!("train/{path}"), &image(2));
    }
    let strict = PrepareOptions { strict: true, ..options(&input, &output, SIDE) };
    let summary = run(&strict).unwrap();
    assert_eq!((summary.images, summary.classes, summary.skipped), (6, 2, 0));
    assert_eq!((summary.ignored, report(&output).len()), (6, 0));
}

/// A class of which no image can be read is named, and under `strict` it is an error.
#[test]
fn classes_without_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["cat", "dog", "owl"], 2, SIDE);
    tree(&input, "val", &["cat", "owl"], 1, SIDE);
    (0..2).for_each(|i| _ = put(&input, &format!("train/dog/{i:03}.png"), b"no image"));
    let summary = prepared(&input, &output).unwrap();
    let dog = || vec!["dog".to_owned()];
    assert_eq!(summary.empty_classes, [("train".into(), dog()), ("val".into(), dog())]);
    fs::remove_dir_all(input.join("train/dog")).unwrap();
    fs::create_dir(input.join("train/dog")).unwrap();
    let strict = PrepareOptions { strict: true, ..options(&input, &dir.path().join("s"), SIDE) };
    let text = run(&strict).unwrap_err().to_string();
    assert!(text.contains("train image: dog") && !dir.path().join("s").exists(), "{text}");
}

#[test]
fn webdataset_shards() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let check = |input: &str, want: &[(&str, u64)]| {
        let output = root.join(format!("{input}_out"));
        let summary = prepared(&root.join(input), &output).unwrap();
        assert_eq!(splits(&summary), want, "{input}");
        summary
    };
    put(root, "flat/cifar10-train-000000.tar", &tar(8));
    put(root, "flat/cifar10-test-000000.tar", &tar(4));
    check("flat", &[("train", 8), ("test", 4)]);
    put(root, "flat2/carnival-0001.tar", &tar(8));
    put(root, "flat2/carnival_Validation-0001.TAR", &tar(2));
    check("flat2", &[("train", 8), ("val", 2)]);
    for (folder, n) in [("Training", 6), ("valid", 4), ("test-shards", 2)] {
        put(root, &format!("deep/{folder}/0.tar"), &tar(n));
    }
    put(root, "deep/extra/0.tar", &tar(2));
    put(root, "deep/train-1.tar.gz", b"gzip");
    let summary = check("deep", &[("train", 6), ("val", 4), ("test", 2)]);
    let unused = summary.unused.join("\n");
    assert!(unused.contains("extra (1 tars") && unused.contains("train-1.tar.gz ("), "{unused}");

    // A path that says two splits, and an input without train.
    let refused = |input: &str, parts: &[&str]| {
        let text = prepared(&root.join(input), &root.join("none")).unwrap_err().to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    put(root, "both/train/test-0.tar", &tar(2));
    refused("both", &["test-0.tar", "test and train"]);
    put(root, "alone/val-0.tar", &tar(2));
    refused("alone", &["train split"]);
    refused("alone/val-0.tar", &["train split"]);
    // Test shards without labels are not used.
    put(root, "blind/train-0.tar", &tar(4));
    put(root, "blind/test-0.tar", &tar_of(&[("a.png".to_owned(), image(1))]));
    let summary = check("blind", &[("train", 4)]);
    assert!(summary.unused[0].starts_with("test (1 tars"), "{:?}", summary.unused);
    assert_eq!(summary.skipped, 1);
    let dataset = Dataset::open(&root.join("flat_out")).unwrap();
    assert_eq!(dataset.split("test").unwrap().len(), 4);
}
