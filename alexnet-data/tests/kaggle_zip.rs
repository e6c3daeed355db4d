//! Kaggle's zip gives the dataset of the unpacked tree, and every lie in it is an error.

mod common;

use alexnet_data::{Error, PrepareOptions, Source};
use common::zips::{Entry, deflated, encrypted, stored, zip_of};
use common::{contents, jpeg, picture, put, run};
use std::fs;
use std::path::Path;

const NAME: &str = "imagenet-object-localization-challenge.zip";
const IMAGES: &str = "ILSVRC/Data/CLS-LOC";
const SIDE: usize = 8;

/// The files of the layout: tables, six images, and other files.
fn layout() -> Vec<(String, Vec<u8>)> {
    let image = |seed| jpeg(&picture(SIDE, SIDE + 2, seed), SIDE, SIDE + 2);
    let mut files = vec![
        ("LOC_sample_submission.csv".to_owned(), b"ImageId,PredictionString\n".to_vec()),
        (
            "LOC_synset_mapping.txt".to_owned(),
            b"n01440764 tench, Tinca tinca\nn02119789 kit fox\n".to_vec(),
        ),
        (
            "LOC_val_solution.csv".to_owned(),
            b"ImageId,PredictionString\nILSVRC2012_val_00000002,n02119789 1 2 3 4 \n\
              ILSVRC2012_val_00000001,n01440764 85 1 499 272\n"
                .to_vec(),
        ),
        ("ILSVRC/Annotations/CLS-LOC/val/x.xml".to_owned(), b"<x/>".to_vec()),
        (format!("{IMAGES}/test/ILSVRC2012_test_00000001.JPEG"), image(9)),
        (format!("{IMAGES}/train/n01440764/notes.txt"), b"text".to_vec()),
        (format!("{IMAGES}/train/n02119789/n02119789_9.JPEG"), b"no image".to_vec()),
    ];
    for (n, id) in [(1, "n02119789"), (2, "n01440764"), (10, "n01440764"), (3, "n02119789")] {
        files.push((format!("{IMAGES}/train/{id}/{id}_{n}.JPEG"), image(n)));
    }
    for n in [2, 1] {
        files.push((format!("{IMAGES}/val/ILSVRC2012_val_{n:08}.JPEG"), image(n + 20)));
    }
    files
}

fn entries(make: impl Fn(usize, &str, &[u8]) -> Entry) -> Vec<Entry> {
    layout().iter().enumerate().map(|(i, (name, bytes))| make(i, name, bytes)).collect()
}

fn prepare(input: &Path, output: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let source = Source::detect(input)?;
    assert_eq!(source, Source::Kaggle);
    let options =
        PrepareOptions { size: SIDE, threads: 2, ..PrepareOptions::new(source, input, output) };
    let summary = run(&options)?;
    assert_eq!((summary.images, summary.skipped, summary.ignored), (6, 1, 1));
    assert_eq!(summary.unused, [format!("{IMAGES}/test (its labels were never released)")]);
    Ok(contents(output))
}

/// The zip by itself or in its folder, stored or deflated, with 64-bit fields, in any order, gives
/// the bytes of the unpacked tree's dataset.
#[test]
fn the_dataset_of_the_unpacked_tree() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    layout().iter().for_each(|(name, bytes)| drop(put(&tree, name, bytes)));
    let want = prepare(&tree, &dir.path().join("of-tree")).unwrap();
    let both = |i, name: &str, bytes: &[u8]| match i % 2 {
        0 => stored(name, bytes),
        _ => deflated(name, bytes),
    };
    let (forward, mut backward) = (entries(both), entries(both));
    backward.reverse();
    for (i, (files, wide)) in
        [(&forward, false), (&forward, true), (&backward, true), (&backward, false)]
            .into_iter()
            .enumerate()
    {
        let folder = dir.path().join(format!("zip{i}"));
        let zip = put(&folder, NAME, &zip_of(files, wide));
        let input = if i == 0 { &zip } else { &folder };
        assert!(prepare(input, &dir.path().join(format!("out{i}"))).unwrap() == want, "{i}");
    }
}

/// What people add when they pack the files again: a common folder, macOS's copies of names, a
/// table that only ends in the right name. Two tables of the right name are an error.
#[test]
fn packed_again() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = |name: &str, files: &[Entry], ignored: u64| {
        let zip = put(dir.path(), &format!("{name}.zip"), &zip_of(files, false));
        let output = dir.path().join(name);
        let options = PrepareOptions::new(Source::detect(&zip)?, &zip, &output);
        let summary = run(&PrepareOptions { size: SIDE, threads: 2, ..options })?;
        assert_eq!((summary.images, summary.skipped, summary.ignored), (6, 1, ignored), "{name}");
        Ok::<_, Error>(shards(&output))
    };
    let plain = entries(|_, name, bytes| deflated(name, bytes));
    let want = prepared("plain", &plain, 1).unwrap();
    let in_folder: Vec<_> =
        plain.iter().map(|e| e.clone().named(&format!("imagenet/{}", e.name))).collect();
    assert!(prepared("in-folder", &in_folder, 1).unwrap() == want);
    let windows: Vec<_> =
        plain.iter().map(|e| e.clone().named(&e.name.replace('/', "\\"))).collect();
    assert!(prepared("windows", &windows, 1).unwrap() == want);
    let mac = plain.iter().flat_map(|e| {
        let (folder, file) = e.name.rsplit_once('/').unwrap_or(("", &e.name));
        [e.clone(), stored(&format!("__MACOSX/{folder}/._{file}"), b"\0\x05\x16\x07")]
    });
    let mac: Vec<_> = mac.collect();
    assert!(prepared("mac", &mac, 1 + plain.len() as u64).unwrap() == want);
    let old = "ImageId,PredictionString\nILSVRC2012_val_00000001,n02119789 1 2 3 4\n";
    let with = |name: &str| [&plain[..], &[stored(name, old.as_bytes())]].concat();
    assert!(prepared("old", &with("old_LOC_val_solution.csv"), 1).unwrap() == want);
    let text = prepared("two", &with("copy/LOC_val_solution.csv"), 1).unwrap_err().to_string();
    assert!(text.contains("two files LOC_val_solution.csv") && text.contains("copy/"), "{text}");
}

fn shards(output: &Path) -> Vec<(String, Vec<u8>)> {
    contents(output).into_iter().filter(|(name, _)| name.ends_with(".shard")).collect()
}

/// Wrong lengths, bombs, encryption, duplicate names and a missing table are clear errors, or skip
/// one image.
#[test]
fn lies_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let attempt = |files: &[Entry]| {
        let zip = put(dir.path(), NAME, &zip_of(files, true));
        let _ = fs::remove_dir_all(&output);
        let result = prepare(&zip, &output).map(|_| ()).map_err(|e| e.to_string());
        let report = fs::read_to_string(output.join("report.jsonl")).unwrap_or_default();
        (result, report)
    };
    let good = entries(|_, name, bytes| stored(name, bytes));
    assert_eq!(attempt(&good).0, Ok(()));
    let with = |entry: Entry| [&good[..], &[entry]].concat();
    let train = format!("{IMAGES}/train/n01440764");
    let fails = |entry: Entry, part: &str| {
        let text = attempt(&with(entry)).0.unwrap_err();
        assert!(text.contains(part) && text.contains(NAME) && !text.contains('\n'), "{text}");
    };
    fails(encrypted(&format!("{train}/s.JPEG")), "encrypted");
    fails(stored(&format!("{train}/n01440764_2.JPEG"), b"again"), "twice");
    fails(stored(&format!("{IMAGES}/train/n00000001/x.JPEG"), b"x"), "n00000001");
    for claim in [1 << 40, u64::MAX] {
        let file = Entry { stored: claim, ..stored(&format!("{train}/x.JPEG"), b"x") };
        fails(file, "beyond");
    }
    let tables = |skip: &'static str| {
        entries(|_, name, bytes| match name == skip {
            true => stored("other", b""),
            false => stored(name, bytes),
        })
    };
    assert!(attempt(&tables("LOC_val_solution.csv")).0.unwrap_err().contains("LOC_val_solution"));
    // A file that is not what the zip says of it is skipped, and named; a bomb is not even
    // inflated.
    let zeros = deflated("zeros", &vec![0; 1 << 20]);
    for (lie, reason) in [
        (Entry { length: 1 << 40, ..zeros.clone() }, "more than the limit"),
        (Entry { length: 1 << 19, ..zeros.clone() }, "checksum"),
        (Entry { length: 1 << 21, ..zeros.clone() }, "checksum"),
    ] {
        let name = format!("{IMAGES}/train/n01440764/n01440764_7.JPEG");
        let files = with(lie.named(&name));
        let zip = put(dir.path(), NAME, &zip_of(&files, true));
        let _ = fs::remove_dir_all(&output);
        let options =
            PrepareOptions { size: SIDE, ..PrepareOptions::new(Source::Kaggle, &zip, &output) };
        assert_eq!(run(&options).unwrap().skipped, 2);
        let report = fs::read_to_string(output.join("report.jsonl")).unwrap();
        assert!(report.contains("n01440764_7") && report.contains(reason), "{report}");
    }
}

/// A zip that is cut or has a flipped byte is an error, or lacks an image, or gives the same
/// dataset where nothing reads the byte; there is no panic.
#[test]
fn damaged_zips() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let bytes = zip_of(&entries(|_, name, bytes| deflated(name, bytes)), true);
    let attempt = |bytes: &[u8]| {
        let zip = put(dir.path(), NAME, bytes);
        let _ = fs::remove_dir_all(&output);
        run(&PrepareOptions { size: SIDE, ..PrepareOptions::new(Source::Kaggle, &zip, &output) })
    };
    for cut in (0..bytes.len()).step_by(97) {
        let text = attempt(&bytes[..cut]).unwrap_err().to_string();
        assert!(text.contains(NAME) && text.contains("cut short"), "{cut}: {text}");
    }
    for i in (0..bytes.len()).step_by(29) {
        let mut flipped = bytes.clone();
        flipped[i] ^= 0xff;
        if let Err(error) = attempt(&flipped) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

/// Where the images are a tar.gz, in the zip or beside the tables, the error says how to unpack it.
#[test]
fn a_packed_tar_gz() {
    let dir = tempfile::tempdir().unwrap();
    let packed = "imagenet_object_localization_patched2019.tar.gz";
    let input = dir.path().join("in");
    put(&input, packed, b"x");
    put(&input, "LOC_synset_mapping.txt", b"");
    let zip = put(dir.path(), NAME, &zip_of(&[stored(packed, b"x")], false));
    for input in [input, zip] {
        let text = prepare(&input, &dir.path().join("out")).unwrap_err().to_string();
        assert!(text.contains("unpack it once") && text.contains("tar xzf"), "{text}");
    }
}
