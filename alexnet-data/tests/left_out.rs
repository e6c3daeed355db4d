//! Nothing is only counted: every file that looks like an image, and every sample, is taken or has
//! a line in the report, which is an error under `strict`.

mod common;

use alexnet_data::{Dataset, PrepareOptions, Source, Summary};
use common::archives::tar_of;
use common::{jpeg, options, picture, png, put, run, tree};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::Path;

const SIDE: usize = 8;

fn image(seed: usize) -> Vec<u8> {
    png(&picture(SIDE, SIDE, seed), SIDE, SIDE, Rgb8)
}

fn named(name: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes)
}

fn report(output: &Path) -> String {
    fs::read_to_string(output.join("report.jsonl")).unwrap()
}

/// A file is an image by its extension or by its first bytes; what it really is decides.
#[test]
fn images_by_name_and_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, ".", &["cat", "dog"], 2, SIDE);
    let taken = ["a.jfif", "a.bmp", "a.webp", "a.TIFF", "a.gif", "a.heic", "no_ending", "a.dat"];
    taken.iter().for_each(|name| _ = put(&input, &format!("cat/{name}"), &image(1)));
    let named_so = ["jpg", "jpe", "jfif", "bmp", "webp", "tif", "tiff", "gif", "avif", "jxl"];
    named_so.iter().for_each(|e| _ = put(&input, &format!("dog/text.{e}"), b"some text"));
    let contents: [(&str, &[u8]); 2] =
        [("avif", b"\0\0\0\x1cftypavif\0\0\0\0"), ("jpeg_xl", b"\xff\x0a and more")];
    contents.iter().for_each(|(name, bytes)| _ = put(&input, &format!("dog/{name}"), bytes));
    put(&input, "beside.png", &image(2));
    put(&input, "cat/notes.txt", b"text");
    put(&input, "cat/empty", b"");
    let summary = run(&options(&input, &output, SIDE)).unwrap();
    let skipped = named_so.len() + contents.len() + 1;
    assert_eq!((summary.images, summary.skipped), (4 + taken.len() as u64, skipped as u64));
    assert_eq!(summary.ignored, 2);
    let lines = report(&output);
    let names = named_so.iter().map(|e| format!("dog/text.{e}"));
    for name in names.chain(["dog/avif".into(), "dog/jpeg_xl".into(), "beside.png".into()]) {
        assert!(lines.contains(&format!("{name:?}")), "{name}: {lines}");
    }
    let strict = PrepareOptions { strict: true, ..options(&input, &dir.path().join("s"), SIDE) };
    let text = run(&strict).unwrap_err().to_string();
    assert!(text.starts_with(&format!("{skipped} of ")), "{text}");
}

/// Prepares the samples of one tar; the summary, the labels of the records with the first value of
/// each, and the report.
fn webdataset(files: &[(String, Vec<u8>)]) -> (Summary, Vec<(String, u8)>, String) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "in/0.tar", &tar_of(files));
    let output = dir.path().join("out");
    let options = options(&dir.path().join("in"), &output, SIDE);
    let summary = run(&PrepareOptions { source: Source::WebDataset, ..options }).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    let (train, classes) = (dataset.split("train").unwrap(), &dataset.manifest().classes);
    let record = |i| {
        let record = train.record(i).unwrap();
        (classes[record.label as usize].name.clone(), record.pixels[0])
    };
    let mut records: Vec<_> = (0..train.len()).map(record).collect();
    records.sort();
    (summary, records, report(&output))
}

/// An image of one value all over, as bytes of a PNG.
fn flat(value: u8) -> Vec<u8> {
    png(&[value; SIDE * SIDE * 3], SIDE, SIDE, Rgb8)
}

#[test]
fn keys_of_samples_may_have_dots() {
    let mut files = Vec::new();
    for i in 0..4 {
        files.push(named(&format!("d/img_0.{i}.png"), flat(i)));
        files.push(named(&format!("d/img_0.{i}.cls"), vec![b'0' + i]));
        files.push(named(&format!("d/img_0.{i}.json"), b"{}".to_vec()));
    }
    // A key that ends at the first dot.
    files.push(named("7.photo.png", flat(7)));
    files.push(named("7.cls", b"1".to_vec()));
    files.push(named("8.png", flat(8)));
    files.push(named("8.label.cls.txt", b"2".to_vec()));
    let (summary, records, report) = webdataset(&files);
    let want = [("0", 0), ("1", 1), ("1", 7), ("2", 2), ("2", 8), ("3", 3)];
    assert_eq!(records, want.map(|(label, value)| (label.to_owned(), value)), "{report}");
    assert_eq!((summary.skipped, summary.ignored), (0, 4));
}

#[test]
fn every_sample_that_is_not_taken_is_reported() {
    let mut files: Vec<_> = ["JPG", "jpeg", "webp", "img"]
        .iter()
        .zip(0u8..)
        .flat_map(|(ending, i)| {
            let bytes = if i < 2 { jpeg(&[i; SIDE * SIDE * 3], SIDE, SIDE) } else { flat(i) };
            [named(&format!("{i}.{ending}"), bytes), named(&format!("{i}.cls"), b"0".to_vec())]
        })
        .collect();
    for (name, bytes) in [
        ("heic.heic", b"\0\0\0\x18ftypheic\0\0\0\0".to_vec()),
        ("heic.cls", b"1".to_vec()),
        ("lone.png", flat(9)),
        ("label.cls", b"0".to_vec()),
        ("array.npy", b"numbers".to_vec()),
        ("array.json", b"{}".to_vec()),
        ("two.left.png", flat(9)),
        ("two.right.png", flat(9)),
        ("two.cls", b"0".to_vec()),
        ("twice.jpg", flat(9)),
        ("twice.png", flat(10)),
        ("twice.cls", b"1".to_vec()),
        ("x/._0.png", flat(9)),
        ("binary.png", flat(9)),
        ("binary.cls", vec![0xff, 0xfe]),
        ("long.png", flat(9)),
        ("long.cls", vec![b'7'; 300]),
        ("word.png", flat(9)),
        ("word.cls", b"cat".to_vec()),
    ] {
        files.push(named(name, bytes));
    }
    let (summary, records, report) = webdataset(&files);
    assert_eq!(records.len(), 5, "{records:?}");
    let lines = [
        ("heic", "HEIC"),
        ("lone", "an image without a label"),
        ("label", "a label without an image"),
        ("array", "neither an image nor a label"),
        ("two.left.png", "several images"),
        ("two.right.png", "several images"),
        ("twice.jpg", "another image"),
        ("binary", "UTF-8"),
        ("long", "300 bytes"),
        ("word", "no number below"),
    ];
    for (key, reason) in lines {
        let mut found = report.lines().filter(|line| line.contains(&format!("0.tar/{key}")));
        let line = found.next().unwrap_or_else(|| panic!("{key}: {report}"));
        assert!(line.contains(reason) && line.contains("skipped"), "{line}");
    }
    assert_eq!(summary.skipped, lines.len() as u64, "{report}");
}

/// Labels that are words are names of classes, in sorted order or in that of `classnames.txt`.
#[test]
fn classes_as_text() {
    let sample = |i: u8, label: &str| {
        [named(&format!("{i}.png"), flat(i)), named(&format!("{i}.cls"), label.into())]
    };
    let train = [sample(1, "owl\n"), sample(2, "cat"), sample(3, "dog"), sample(4, "cat")];
    let (summary, records, _) = webdataset(&train.concat());
    let want = [("cat", 2), ("cat", 4), ("dog", 3), ("owl", 1)];
    assert_eq!(records, want.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(summary.classes, 3);

    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    put(&input, "train-0.tar", &tar_of(&train.concat()));
    put(&input, "val-0.tar", &tar_of(&sample(5, "fox")));
    let prepare = |output: &str| {
        let options = options(&input, &dir.path().join(output), SIDE);
        run(&PrepareOptions { source: Source::WebDataset, ..options })
    };
    let text = prepare("out").unwrap_err().to_string();
    assert!(text.contains("fox") && text.contains("train"), "{text}");
    put(&input, "classnames.txt", b"owl\nfox\ndog\ncat\n");
    let summary = prepare("out").unwrap();
    assert_eq!((summary.classes, summary.images), (4, 5));
    let dataset = Dataset::open(&dir.path().join("out")).unwrap();
    assert_eq!(dataset.split("val").unwrap().label(0).unwrap(), 1);
    assert_eq!(dataset.split("train").unwrap().images_per_class(), [1, 0, 1, 2]);
}
