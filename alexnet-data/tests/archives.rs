//! Archives as people have them: class folders in a zip, a tar or a tar.gz, links in tars,
//! thousands of tars, and archives that change while they are read.

mod common;

use alexnet_data::{Dataset, Error, PrepareOptions, Source, prepare};
use common::archives::{gzip, tar_of, tar_with_links};
use common::zips::{Entry, deflated, stored, zip_of};
use common::{contents, picture, png, put, records, run};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::{Path, PathBuf};

const SIDE: usize = 6;

/// A picture of the stored size, of one colour that says which.
fn flat(colour: u8) -> Vec<u8> {
    png(&[colour; SIDE * SIDE * 3], SIDE, SIDE, Rgb8)
}

fn detected(input: &Path, output: &Path) -> Result<Dataset, Error> {
    let options = PrepareOptions::new(Source::detect(input)?, input, output);
    run(&PrepareOptions { size: SIDE, threads: 2, ..options })?;
    Dataset::open(output)
}

fn report(dataset: &Dataset) -> String {
    fs::read_to_string(dataset.dir().join("report.jsonl")).unwrap()
}

/// The files of a tree of two classes, with images at two depths and a file that is no image.
fn tree() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (c, class) in ["n01440764", "n02102040"].iter().enumerate() {
        for i in 0..4 {
            let bytes = png(&picture(9, 8, c * 10 + i), 9, 8, Rgb8);
            let sub = if i == 2 { "more/" } else { "" };
            files.push((format!("train/{class}/{sub}{i}.png"), bytes.clone()));
            files.push((format!("val/{class}/v{i}.png"), bytes));
        }
    }
    files.push(("train/n01440764/notes.txt".into(), b"text".into()));
    files.push(("noise_imagenette.csv".into(), b"path,noisy\n".into()));
    files
}

fn put_all(root: &Path, files: &[(String, Vec<u8>)]) {
    files.iter().for_each(|(name, bytes)| drop(put(root, name, bytes)));
}

/// The files below a common folder.
fn below(root: &str, files: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(name, bytes)| (format!("{root}/{name}"), bytes.clone())).collect()
}

fn zip_entries(files: &[(String, Vec<u8>)], make: fn(&str, &[u8]) -> Entry) -> Vec<Entry> {
    files.iter().map(|(name, bytes)| make(name, bytes)).collect()
}

/// A tree in a zip, a tar or a tar.gz, with a common folder or without one, gives the bytes of the
/// unpacked tree's dataset, and leaves nothing else behind.
#[test]
fn class_folders_in_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let files = tree();
    put_all(&dir.path().join("tree"), &files);
    let of_tree = dir.path().join("of-tree");
    detected(&dir.path().join("tree"), &of_tree).unwrap();
    let want = contents(&of_tree);
    let rooted = below("imagenette2", &files);
    let dotted: Vec<_> = below(".", &files).into_iter().rev().collect();
    for (name, bytes) in [
        ("a.zip", zip_of(&zip_entries(&files, stored), false)),
        ("b.zip", zip_of(&zip_entries(&rooted, deflated), true)),
        ("c.tar", tar_of(&rooted)),
        ("imagenette2.tgz", gzip(&tar_of(&rooted))),
        ("e.tar.gz", gzip(&tar_of(&dotted))),
        ("no-extension", gzip(&tar_of(&files))),
    ] {
        let input = put(dir.path(), name, &bytes);
        let output = dir.path().join(format!("of-{name}"));
        detected(&input, &output).unwrap();
        assert!(contents(&output) == want, "{name}");
    }
    // Two archives, of train and of val.
    let split = |split: &str| {
        let of = |(name, bytes): &(String, Vec<u8>)| {
            Some((name.strip_prefix(split)?.to_owned(), bytes.clone()))
        };
        tar_of(&files.iter().filter_map(of).collect::<Vec<_>>())
    };
    let (train, val) = (split("train/"), split("val/"));
    let (train, val) = (put(dir.path(), "t.tar", &train), put(dir.path(), "v.tar", &val));
    let output = dir.path().join("of-two");
    let options = PrepareOptions::new(Source::Folder, train, &output);
    run(&PrepareOptions { size: SIDE, val: Some(val), ..options }).unwrap();
    assert!(contents(&output) == want);
}

/// One class in an archive is a class, and no common folder. What lies outside of train and val is
/// named.
#[test]
fn what_is_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let one = [("cats/0.png".to_owned(), flat(1)), ("cats/1.png".to_owned(), flat(2))];
    let dataset = detected(
        &put(dir.path(), "one.zip", &zip_of(&zip_entries(&one, stored), false)),
        &dir.path().join("o1"),
    );
    let dataset = dataset.unwrap();
    assert_eq!(dataset.manifest().classes[0].name, "cats");
    assert_eq!(records(&dataset, "train"), [(0, 1), (0, 2)]);
    let splits = [
        ("Training/cats/0.png".to_owned(), flat(1)),
        ("Validation/cats/1.png".to_owned(), flat(2)),
        ("test/2.png".to_owned(), flat(3)),
    ];
    let dataset = detected(&put(dir.path(), "s.tar", &tar_of(&splits)), &dir.path().join("o2"));
    let dataset = dataset.unwrap();
    assert_eq!(
        (records(&dataset, "train"), records(&dataset, "val")),
        (vec![(0, 1)], vec![(0, 2)])
    );
    let said = report(&dataset);
    let words: Vec<_> = [("my_train/cats/0.png", 1), ("my-dev/cats/1.png", 2), ("notes/x.txt", 3)]
        .into_iter()
        .map(|(name, colour)| (name.to_owned(), flat(colour)))
        .collect();
    let zip = put(dir.path(), "words.zip", &zip_of(&zip_entries(&words, stored), false));
    let with_words = detected(&zip, &dir.path().join("o3")).unwrap();
    assert_eq!(records(&with_words, "val"), [(0, 2)]);
    assert!(said.contains("test/2.png") || said.contains("2.png"), "{said}");
}

/// An archive of something else is opened, and the error says what it holds; one that we cannot
/// read says how to unpack it. No one is told that it is Kaggle's.
#[test]
fn other_archives() {
    let dir = tempfile::tempdir().unwrap();
    let books = [("a/one.txt".to_owned(), b"1".to_vec()), ("b/two.csv".to_owned(), b"2".to_vec())];
    let cases = [
        ("books.zip", zip_of(&zip_entries(&books, stored), false), "a/one.txt"),
        ("books.tar", tar_of(&books), "a/one.txt"),
        ("books.tgz", gzip(&tar_of(&books)), "a/one.txt"),
        ("empty.zip", zip_of(&[], false), "empty.zip"),
        ("x.tar.xz", b"\xfd7zXZ\0 rest".to_vec(), "unxz"),
        ("x.tar.bz2", b"BZh91AY rest".to_vec(), "bunzip2"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c".to_vec(), "7z x"),
        ("x.zip", b"no zip".to_vec(), "cut short"),
        ("x.tgz", b"no gzip".to_vec(), "x.tgz"),
        ("x.txt", b"text".to_vec(), "no source known"),
    ];
    for (name, bytes, part) in cases {
        let input = put(dir.path(), name, &bytes);
        let wrong = |text: String| {
            assert!(text.contains(part) && text.contains(name), "{name}: {text}");
            assert!(!text.contains("LOC_synset") && !text.contains('\n'), "{name}: {text}");
        };
        let output = dir.path().join("out");
        if let Err(error) = Source::detect(&input) {
            wrong(error.to_string());
        } else {
            wrong(detected(&input, &output).unwrap_err().to_string());
        }
        let options = PrepareOptions::new(Source::Folder, &input, &output);
        let text = run(&options).unwrap_err().to_string();
        assert!(text.contains(name) && !text.contains('\n') && !output.exists(), "{text}");
    }
}

/// A tar.gz that is cut short, or has a flipped byte, is an error that names it.
#[test]
fn damaged_tar_gz() {
    let dir = tempfile::tempdir().unwrap();
    let whole = gzip(&tar_of(&tree()));
    let attempt = |bytes: &[u8]| {
        let input = put(dir.path(), "x.tgz", bytes);
        let output = dir.path().join("out");
        let text = run(&PrepareOptions::new(Source::Folder, input, &output));
        assert!(!output.exists());
        text.unwrap_err().to_string()
    };
    for cut in (1..whole.len()).step_by(whole.len() / 30) {
        let text = attempt(&whole[..cut]);
        assert!(text.contains("x.tgz") && text.contains("download it again"), "{cut}: {text}");
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0xff;
    assert!(attempt(&flipped).contains("x.tgz"));
    let zeros = gzip(&vec![0; (1 << 30) + 1]);
    assert!(attempt(&zeros).contains("no archive of images"));
}

/// Tiny ImageNet as a zip, in the folder that holds it, unpacked, and with its val images sorted
/// into class folders: labels and words are those of its tables.
#[test]
fn tiny_imagenet() {
    let dir = tempfile::tempdir().unwrap();
    let ids = ["n01443537", "n01629819"];
    let mut files = vec![
        ("wnids.txt".to_owned(), b"n01629819\nn01443537\n".to_vec()),
        ("words.txt".to_owned(), b"n00001740\tentity\nn01443537\tgoldfish, Carassius\n".to_vec()),
        ("test/images/test_0.JPEG".to_owned(), flat(99)),
    ];
    let table = "val_0.JPEG\tn01629819\t0\t32\t44\t62\nval_1.JPEG\tn01443537\t1\t1\t2\t2\n";
    files.push(("val/val_annotations.txt".to_owned(), table.into()));
    for (c, id) in ids.iter().enumerate() {
        let image = |i: u8| (format!("train/{id}/images/{id}_{i}.JPEG"), flat(c as u8 * 10 + i));
        files.extend((0..3).map(image));
        files.push((format!("train/{id}/{id}_boxes.txt"), b"boxes".into()));
    }
    let val = |i: u8| (format!("val/images/val_{i}.JPEG"), flat(50 + i));
    let mut sorted = files.clone();
    files.extend((0..2).map(val));
    sorted.push(("val/n01629819/val_0.JPEG".into(), flat(50)));
    sorted.push(("val/n01443537/images/val_1.JPEG".into(), flat(51)));

    let rooted = below("tiny-imagenet-200", &files);
    let zip = zip_of(&zip_entries(&rooted, stored), false);
    let zip = put(dir.path(), "in/tiny-imagenet-200.zip", &zip);
    let gz = put(dir.path(), "tiny.tar.gz", &gzip(&tar_of(&rooted)));
    put_all(&dir.path().join("unpacked"), &rooted);
    put_all(&dir.path().join("sorted"), &sorted);
    let unpacked = dir.path().join("unpacked");
    let inputs: [PathBuf; 6] = [
        zip.clone(),
        dir.path().join("in"),
        gz,
        unpacked.clone(),
        unpacked.join("tiny-imagenet-200"),
        dir.path().join("sorted"),
    ];
    for (i, input) in inputs.iter().enumerate() {
        assert_eq!(Source::detect(input).unwrap(), Source::TinyImagenet);
        let dataset = detected(input, &dir.path().join(format!("out{i}"))).unwrap();
        let classes = &dataset.manifest().classes;
        assert_eq!([&classes[0].name, &classes[1].name], ids);
        assert_eq!(classes[0].words.as_deref(), Some("goldfish, Carassius"));
        let train: Vec<_> = (0..6).map(|i| (i / 3, (i / 3 * 10 + i % 3) as u8)).collect();
        assert_eq!(records(&dataset, "train"), train, "{}", input.display());
        assert_eq!(records(&dataset, "val"), [(0, 51), (1, 50)], "{}", input.display());
    }
    let unknown = "val_0.JPEG\tn09999999\t0\t0\t1\t1\n";
    put(&unpacked, "tiny-imagenet-200/val/val_annotations.txt", unknown.as_bytes());
    let text = detected(&unpacked, &dir.path().join("bad")).unwrap_err().to_string();
    assert!(text.contains("n09999999") && text.contains("val_annotations.txt"), "{text}");
}

/// A hard link in a tar is the file that it names, also through another link; links that lead
/// nowhere and symbolic links are named in the report.
#[test]
fn links_in_tars() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (flat(1), flat(2));
    let entries: [(&str, u8, &[u8]); 8] = [
        ("./n01000000_1.png", b'0', &one),
        ("./n01000000_2.png", b'1', b"./n01000000_1.png"),
        ("./n01000000_3.png", b'0', &two),
        ("./n01000000_4.png", b'1', b"n01000000_2.png"),
        ("./n01000000_5.png", b'2', b"n01000000_1.png"),
        ("./n01000000_6.png", b'1', b"nowhere.png"),
        ("./n01000000_7.png", b'1', b"./n01000000_3.png"),
        ("./n01000000_8.png", b'6', b""),
    ];
    put(dir.path(), "fall/n01000000.tar", &tar_with_links(&entries));
    let dataset = detected(&dir.path().join("fall"), &dir.path().join("o1")).unwrap();
    assert_eq!(records(&dataset, "train"), [(0, 1), (0, 1), (0, 1), (0, 2), (0, 2)]);
    for part in ["n01000000_5.png", "n01000000_6.png", "n01000000_8.png", "symbolic", "nowhere"] {
        assert!(report(&dataset).contains(part), "{part}: {}", report(&dataset));
    }
    let samples: [(&str, u8, &[u8]); 4] = [
        ("0.png", b'0', &one),
        ("0.cls", b'0', b"3"),
        ("1.png", b'0', &two),
        ("1.cls", b'1', b"0.cls"),
    ];
    put(dir.path(), "wds/t-train-0.tar", &tar_with_links(&samples));
    let dataset = detected(&dir.path().join("wds"), &dir.path().join("o2")).unwrap();
    assert_eq!(records(&dataset, "train"), [(3, 1), (3, 2)]);
    // Samples whose labels are not `.cls` are still no class folders.
    let files = [("a/0.png".to_owned(), flat(1)), ("a/0.json".to_owned(), b"{}".to_vec())];
    let tar = put(dir.path(), "samples.tar", &tar_of(&files));
    assert_eq!(Source::detect(&tar).unwrap(), Source::WebDataset);
    let classes: [(&str, u8, &[u8]); 3] =
        [("a/0.png", b'0', &one), ("b/0.png", b'1', b"a/0.png"), ("b/1.png", b'2', b"0.png")];
    let tar = put(dir.path(), "classes.tar", &tar_with_links(&classes));
    let dataset = detected(&tar, &dir.path().join("o3")).unwrap();
    assert_eq!(records(&dataset, "train"), [(0, 1), (1, 1)]);
    assert!(report(&dataset).contains("b/1.png"));
}

/// More tars than a process may open: no more than a share of that are open at any time.
#[test]
#[cfg(target_os = "linux")]
fn many_tars() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let many = 800;
    for i in 0..many {
        let image = (format!("n{i:08}_0.png"), flat((i % 250) as u8));
        put(&input, &format!("n{i:08}.tar"), &tar_of(&[image]));
    }
    let most = std::sync::atomic::AtomicUsize::new(0);
    let count = |_| {
        let open = fs::read_dir("/proc/self/fd").unwrap().count();
        most.fetch_max(open, std::sync::atomic::Ordering::Relaxed);
    };
    let options = PrepareOptions::new(Source::Fall2011, &input, dir.path().join("out"));
    let options = PrepareOptions { size: SIDE, threads: 2, ..options };
    let summary = prepare(&options, &count).unwrap();
    assert_eq!((summary.images, summary.classes), (many, many as usize));
    let most = most.into_inner();
    assert!(most < 700, "{most} files were open");
}

/// An archive that vanishes, shrinks or is replaced by a shorter one while it is read ends the
/// preparation with the reason, and no image is counted as unreadable.
#[test]
#[cfg(unix)]
fn archives_that_change() {
    let dir = tempfile::tempdir().unwrap();
    let image = |i: u8| (format!("train/a/{i}.png"), flat(i));
    let files: Vec<_> = (0..40).map(image).collect();
    let zip = zip_of(&zip_entries(&files, stored), false);
    for (name, bytes) in [("x.tar", tar_of(&files)), ("x.zip", zip)] {
        let input = put(dir.path(), name, &bytes);
        let output = dir.path().join("out");
        let options = PrepareOptions::new(Source::Folder, &input, &output);
        let options = PrepareOptions { size: SIDE, threads: 1, ..options };
        let shrink = |progress: alexnet_data::Progress| {
            if progress.stage == alexnet_data::Stage::Train && progress.done == 1 {
                fs::OpenOptions::new().write(true).open(&input).unwrap().set_len(600).unwrap();
            }
        };
        let text = prepare(&options, &shrink).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("ends earlier"), "{text}");
        // It continues when the archive is whole again.
        put(dir.path(), name, &bytes);
        assert_eq!(run(&options).unwrap().images, 40);
        fs::remove_dir_all(&output).unwrap();
    }
}
