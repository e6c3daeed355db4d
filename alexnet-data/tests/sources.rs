//! The sources: a small input of each official layout is recognised, and has the right labels.

mod common;

use alexnet_data::{Class, Dataset, Error, PrepareOptions, Source};
use common::archives::{kit, meta_mat, tar_of};
use common::{contents, jpeg, picture, png, put, records, run};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::Path;

const SIDE: usize = 6;

/// A picture of the stored size, of one colour that says which.
fn flat(colour: u8) -> Vec<u8> {
    png(&[colour; SIDE * SIDE * 3], SIDE, SIDE, Rgb8)
}

fn named(name: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes)
}

/// Prepares what `input` looks like; the dataset, and the source.
fn detected(input: &Path, output: &Path) -> Result<Dataset, Error> {
    let source = Source::detect(input)?;
    let size = if source.default_size() == 32 { 32 } else { SIDE };
    let options = PrepareOptions { size, threads: 2, ..PrepareOptions::new(source, input, output) };
    run(&options)?;
    let dataset = Dataset::open(output)?;
    assert_eq!(dataset.manifest().source, source.name());
    Ok(dataset)
}

/// The synsets of the tests: three classes whose ids are not in the order of their WordNet ids, and
/// one synset above them.
const SYNSETS: [(u32, &str, &str, u32); 4] = [
    (1, "n02119789", "kit fox, Vulpes macrotis", 0),
    (2, "n01440764", "tench, Tinca tinca", 0),
    (3, "n15075141", "toilet tissue, toilet paper", 0),
    (4, "n00001740", "entity", 2),
];

/// A train archive of these classes: a tar of tars, each of `n` images.
fn train_tar(n: u8) -> Vec<u8> {
    let tars: Vec<_> = [("n02119789", 100), ("n15075141", 200), ("n01440764", 0)]
        .map(|(id, colour)| {
            let image = |i| named(&format!("{id}_{i}.JPEG"), flat(colour + i));
            named(&format!("{id}.tar"), tar_of(&(0..n).map(image).collect::<Vec<_>>()))
        })
        .into();
    tar_of(&tars)
}

fn flat_tar(prefix: &str, n: u8) -> Vec<u8> {
    let image = |i: u8| named(&format!("{prefix}_{:08}.JPEG", i + 1), flat(10 * i));
    tar_of(&(0..n).rev().map(image).collect::<Vec<_>>()) // not in order
}

fn write_2012(input: &Path) {
    put(input, "ILSVRC2012_img_train.tar", &train_tar(3));
    put(input, "ILSVRC2012_img_val.tar", &flat_tar("ILSVRC2012_val", 4));
    let kit = kit(&[
        named("ILSVRC2012_devkit_t12/readme.txt", b"text".to_vec()),
        named("ILSVRC2012_devkit_t12/data/meta.mat", meta_mat("ILSVRC2012_ID", &SYNSETS)),
        named(
            "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
            b"3\n1\n2\n1\n".to_vec(),
        ),
    ]);
    put(input, "ILSVRC2012_devkit_t12.tar.gz", &kit);
}

#[test]
fn ilsvrc2012() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_2012(&input);
    let dataset = detected(&input, &output).unwrap();
    let class = |name: &str, words: &str, id| Class {
        name: name.into(),
        words: Some(words.into()),
        devkit_id: Some(id),
    };
    let want = [
        class("n01440764", "tench, Tinca tinca", 2),
        class("n02119789", "kit fox, Vulpes macrotis", 1),
        class("n15075141", "toilet tissue, toilet paper", 3),
    ];
    assert_eq!(dataset.manifest().classes, want);
    let train: Vec<_> =
        (0..9).map(|i| (i / 3, [0, 100, 200][i as usize / 3] + i as u8 % 3)).collect();
    assert_eq!(records(&dataset, "train"), train);
    assert_eq!(records(&dataset, "val"), [(0, 20), (1, 10), (1, 30), (2, 0)]);

    // The same images unpacked into folders are the same records, in the same order.
    let tree = dir.path().join("tree");
    for (id, colour) in [("n02119789", 100), ("n15075141", 200), ("n01440764", 0)] {
        (0..3).for_each(|i| {
            put(&tree, &format!("train/{id}/{id}_{i}.JPEG"), &flat(colour + i));
        });
    }
    for (i, id) in ["n15075141", "n02119789", "n01440764", "n02119789"].iter().enumerate() {
        let name = format!("val/{id}/ILSVRC2012_val_{:08}.JPEG", i + 1);
        put(&tree, &name, &flat(10 * i as u8));
    }
    detected(&tree, &dir.path().join("out2")).unwrap();
    let shard = |out: &str| fs::read(dir.path().join(out).join("train-00000.shard")).unwrap();
    assert_eq!(shard("out"), shard("out2"));
}

/// Errors name what is missing, cut short or contradictory, and leave nothing.
#[test]
fn ilsvrc_faults() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let fails = |change: &dyn Fn(), parts: &[&str]| {
        write_2012(&input);
        change();
        let options = PrepareOptions::new(Source::Ilsvrc2012, &input, &output);
        let text = run(&PrepareOptions { size: SIDE, ..options }).unwrap_err().to_string();
        assert!(parts.iter().all(|p| text.contains(p)) && !text.contains('\n'), "{text}");
        assert!(!output.exists());
    };
    let file = |name: &str| input.join(name);
    let (train, val, devkit) =
        ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz");
    for name in [train, val, devkit] {
        fails(&|| fs::remove_file(file(name)).unwrap(), &[name, "expected"]);
        let half = || {
            let bytes = fs::read(file(name)).unwrap();
            fs::write(file(name), &bytes[..bytes.len() / 2]).unwrap();
        };
        fails(&half, &[name, "download it again"]);
        fails(&|| fs::write(file(name), b"").unwrap(), &[name]);
        fails(&|| fs::write(file(name), [7; 5000]).unwrap(), &[name]);
    }
    let five = flat_tar("ILSVRC2012_val", 5);
    fails(&|| fs::write(file(val), &five).unwrap(), &["ILSVRC2012_val_00000005.JPEG", "4 labels"]);
    let other = tar_of(&[named("n99999999.tar", tar_of(&[]))]);
    fails(&|| fs::write(file(train), &other).unwrap(), &["n99999999.tar", "no class"]);
    let truth = |text: &str| {
        kit(&[
            named("k/data/meta.mat", meta_mat("ILSVRC2012_ID", &SYNSETS)),
            named("k/data/ILSVRC2012_validation_ground_truth.txt", text.into()),
        ])
    };
    fails(&|| fs::write(file(devkit), truth("1\nx\n")).unwrap(), &["line 2", "\"x\""]);
    fails(&|| fs::write(file(devkit), truth("4\n")).unwrap(), &["4", "no class"]);
    let twice = meta_mat("ILSVRC2012_ID", &[SYNSETS[0], SYNSETS[0]]);
    let twice = kit(&[named("k/data/meta.mat", twice)]);
    fails(&|| fs::write(file(devkit), &twice).unwrap(), &["n02119789", "twice"]);
    // Every byte of the MAT file wrong in turn: no panic, and an error or another reading.
    let mat = meta_mat("ILSVRC2012_ID", &SYNSETS);
    for i in (0..mat.len()).step_by(3) {
        write_2012(&input);
        let mut bytes = mat.clone();
        bytes[i] ^= 0x55;
        fs::write(file(devkit), kit(&[named("k/data/meta.mat", bytes)])).unwrap();
        let options = PrepareOptions::new(Source::Ilsvrc2012, &input, &output);
        // Every one is an error, because this kit has no ground truth.
        assert!(run(&PrepareOptions { size: SIDE, ..options }).is_err());
    }
}

/// A class without a tar is noted; 2010 has a test split, whose labels may be beside the kit.
#[test]
fn ilsvrc2010() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    put(&input, "ILSVRC2010_images_train.tar", &train_tar(2));
    put(&input, "ILSVRC2010_images_val.tar", &flat_tar("ILSVRC2010_val", 2));
    put(&input, "ILSVRC2010_images_test.tar", &flat_tar("ILSVRC2010_test", 3));
    let mut synsets = SYNSETS.to_vec();
    synsets.push((5, "n07711080", "french fries", 0));
    let kit = kit(&[
        named("devkit-1.0/data/meta.mat", meta_mat("ILSVRC2010_ID", &synsets)),
        named("devkit-1.0/data/ILSVRC2010_validation_ground_truth.txt", b"5\n1\n".to_vec()),
    ]);
    put(&input, "ILSVRC2010_devkit-1.0.tar.gz", &kit);
    let dataset = detected(&input, &output).unwrap();
    assert_eq!(records(&dataset, "val"), [(1, 10), (2, 0)]);
    assert!(dataset.split("test").is_err());
    let report = fs::read_to_string(output.join("report.jsonl")).unwrap();
    assert!(report.contains("n07711080.tar") && report.contains("test_ground_truth"), "{report}");

    put(&input, "ILSVRC2010_test_ground_truth.txt", b"2\n3\n5\n");
    let dataset = detected(&input, &dir.path().join("out2")).unwrap();
    assert_eq!(records(&dataset, "test"), [(0, 0), (2, 20), (3, 10)]);
    assert_eq!(dataset.manifest().splits[2].name, "test");
}

#[test]
fn fall2011() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    for (n, id) in ["n03000000", "n01000000", "n02000000"].iter().enumerate() {
        let files = [named(&format!("{id}_7.JPEG"), flat(n as u8)), named("x", b"no image".into())];
        put(&input, &format!("{id}.tar"), &tar_of(&files));
    }
    put(&input, "notes.txt", b"text");
    let dataset = detected(&input, &dir.path().join("out")).unwrap();
    let names: Vec<_> = dataset.manifest().classes.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["n01000000", "n02000000", "n03000000"]);
    assert_eq!(records(&dataset, "train"), [(0, 1), (1, 2), (2, 0)]);
    assert_eq!((dataset.manifest().ignored, dataset.manifest().splits[0].skipped), (1, 3));
    // The same tars in one tar.
    let whole = tar_of(&contents(&input));
    let file = put(dir.path(), "fall11_whole.tar", &whole);
    let dataset = detected(&file, &dir.path().join("out2")).unwrap();
    assert_eq!(records(&dataset, "train"), [(0, 1), (1, 2), (2, 0)]);
}

/// A tar of tars that is cut anywhere is an error that names it. With any byte flipped it is one,
/// or lacks an image, or gives other pixels; there is no panic.
#[test]
fn damaged_tars() {
    let dir = tempfile::tempdir().unwrap();
    let long = "d/".repeat(80) + "n01000000_1.JPEG";
    let inner = [named("n01000000_0.JPEG", flat(1)), named(&long, b"no image".into())];
    let whole = tar_of(&[named("n01000000.tar", tar_of(&inner)), named("other", Vec::new())]);
    let attempt = |bytes: &[u8]| {
        let output = dir.path().join("out");
        let _ = fs::remove_dir_all(&output);
        detected(&put(dir.path(), "fall11.tar", bytes), &output)
    };
    let dataset = attempt(&whole).unwrap();
    assert_eq!(records(&dataset, "train"), [(0, 1)]);
    let report = fs::read_to_string(dataset.dir().join("report.jsonl")).unwrap();
    assert!(report.contains("\"n01000000/n01000000_1.JPEG\""), "long names are complete: {report}");
    for cut in (0..whole.len() - 512).step_by(101) {
        let text = attempt(&whole[..cut]).unwrap_err().to_string();
        assert!(text.contains("fall11.tar") && text.contains("cut short"), "{cut}: {text}");
    }
    for i in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[i] ^= 0xff;
        let _ = attempt(&bytes);
    }
}

#[test]
fn webdataset() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let sample = |key: &str, colour, label: &str| {
        [
            named(&format!("{key}.cls"), label.into()),
            named(&format!("{key}.jpg"), flat(colour)),
            named(&format!("{key}.json"), b"{}".to_vec()),
        ]
    };
    let train = [sample("a/000", 1, "2"), sample("a/001", 2, "0\n"), sample("b/000", 3, "x")];
    put(&input, "train/0.tar", &tar_of(&train.concat()));
    put(
        &input,
        "train/1.tar",
        &tar_of(&[named("lone.jpg", flat(1)), named("no.cls", b"1".into())]),
    );
    put(&input, "val/0.tar", &tar_of(&sample("v", 9, "1")));
    let dataset = detected(&input, &dir.path().join("out")).unwrap();
    assert_eq!(records(&dataset, "train"), [(0, 2), (2, 1)]);
    assert_eq!(records(&dataset, "val"), [(1, 9)]);
    assert_eq!(dataset.manifest().classes.len(), 3);
    let report = fs::read_to_string(dir.path().join("out/report.jsonl")).unwrap();
    for part in ["b/000", "lone", "an image without a label", "a label without an image"] {
        assert!(report.contains(part), "{report}");
    }
    put(&input, "classnames.txt", b"zero\none\ntwo\n");
    let dataset = detected(&input, &dir.path().join("out2")).unwrap();
    assert_eq!(dataset.manifest().classes[1].name, "one");
}

#[test]
fn kaggle() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let images = "ILSVRC/Data/CLS-LOC";
    put(&input, &format!("{images}/train/n02119789/n02119789_1.JPEG"), &flat(1));
    put(&input, &format!("{images}/train/n01440764/n01440764_1.JPEG"), &flat(2));
    put(&input, &format!("{images}/val/ILSVRC2012_val_00000001.JPEG"), &flat(3));
    put(&input, &format!("{images}/val/ILSVRC2012_val_00000002.JPEG"), &flat(4));
    put(&input, &format!("{images}/test/ILSVRC2012_test_00000001.JPEG"), &flat(5));
    let mapping = b"n01440764 tench, Tinca tinca\nn02119789 kit fox\n";
    put(&input, "LOC_synset_mapping.txt", mapping);
    let solution = b"ImageId,PredictionString\nILSVRC2012_val_00000002,n02119789 1 2 3 4 \n\
                     ILSVRC2012_val_00000001,n01440764 85 1 499 272 n01440764 1 1 2 2\n";
    put(&input, "LOC_val_solution.csv", solution);
    let dataset = detected(&input, &dir.path().join("out")).unwrap();
    assert_eq!(dataset.manifest().classes[0].words.as_deref(), Some("tench, Tinca tinca"));
    assert_eq!(records(&dataset, "train"), [(0, 2), (1, 1)]);
    assert_eq!(records(&dataset, "val"), [(0, 3), (1, 4)]);
}

#[test]
fn cifar100() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in/cifar-100-binary");
    let record = |coarse: u8, fine: u8| [vec![coarse, fine], vec![fine; 3072]].concat();
    put(&input, "train.bin", &[record(3, 99), record(0, 5)].concat());
    put(&input, "test.bin", &record(7, 42));
    let names: String = (0..100).map(|n| format!("name{n}\n")).collect();
    put(&input, "fine_label_names.txt", names.as_bytes());
    let dataset = detected(&dir.path().join("in"), &dir.path().join("out")).unwrap();
    assert_eq!(records(&dataset, "train"), [(5, 5), (99, 99)]);
    assert_eq!(records(&dataset, "val"), [(42, 42)]);
    assert_eq!(dataset.manifest().classes[42].name, "name42");
    // In other sizes too: these images of one colour each keep it.
    for size in [20, 48] {
        let output = dir.path().join(size.to_string());
        let options = PrepareOptions::new(Source::Cifar100, dir.path().join("in"), &output);
        run(&PrepareOptions { size, ..options }).unwrap();
        let dataset = Dataset::open(&output).unwrap();
        let record = dataset.split("val").unwrap().record(0).unwrap();
        assert_eq!(record.pixels[..], vec![42; size * size * 3]);
    }
}

/// An input that looks like no source is an error that lists the sources; folders are folders.
#[test]
fn detection() {
    let dir = tempfile::tempdir().unwrap();
    let text = Source::detect(dir.path()).unwrap_err().to_string();
    assert!(text.contains("ilsvrc2012") && text.contains("webdataset"), "{text}");
    assert!(Source::detect(&dir.path().join("missing")).is_err());
    put(dir.path(), "a/x.jpg", &jpeg(&picture(8, 8, 1), 8, 8));
    assert_eq!(Source::detect(dir.path()).unwrap(), Source::Folder);
    put(dir.path(), "data_batch_1.bin", b"");
    assert_eq!(Source::detect(dir.path()).unwrap(), Source::Cifar10);
}
