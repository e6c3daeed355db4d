//! Preparation: layouts, unusual files, determinism, and the files that an error leaves.

mod common;

use alexnet_data::{Dataset, Error, PrepareOptions, Source, Stage, StoredOrder, prepare};
use common::{contents, jpeg, options, picture, png, put, run, tree};
use image::ExtendedColorType::{L8, Rgb8, Rgba8};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// The report's lines as (path, action).
fn report(output: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(output.join("report.jsonl")).unwrap();
    let line = |l| serde_json::from_str::<serde_json::Value>(l).unwrap();
    let field = |v: &serde_json::Value, f: &str| v[f].as_str().unwrap().to_owned();
    text.lines().map(line).map(|v| (field(&v, "path"), field(&v, "action"))).collect()
}

/// One, two and five threads and any number of records a shard make the same bytes, also with
/// unusual files.
#[test]
fn output_does_not_depend_on_threads() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    tree(&input, "train", &["a", "b", "c"], 13, 20);
    tree(&input, "val", &["a", "c"], 3, 20);
    put(&input, "train/b/broken.jpg", b"not an image");
    put(&input, "train/c/empty.png", b"");
    let prepared: Vec<_> = [1, 2, 5, 0]
        .map(|threads| {
            let output = dir.path().join(format!("out{threads}"));
            let options =
                PrepareOptions { threads, shard_records: Some(10), ..options(&input, &output, 16) };
            run(&options).unwrap();
            contents(&output)
        })
        .into();
    let names: Vec<_> = prepared[0].iter().map(|(name, _)| name.as_str()).collect();
    // 41 files, of which two are no images: a shard holds what can be read of ten.
    let shards: Vec<_> = (0..5).map(|n| format!("train-{n:05}.shard")).collect();
    assert_eq!(names[2..7], shards);
    assert_eq!(names[..2], ["manifest.json", "report.jsonl"]);
    assert_eq!(names[7..], ["val-00000.shard"]);
    assert!(prepared.iter().all(|p| *p == prepared[0]));
}

/// The statistics of the stored train records agree with the definition.
#[test]
fn statistics_are_those_of_train() {
    let (_guard, dir) = common::small_dataset(6);
    let dataset = Dataset::open(&dir).unwrap();
    let (train, got) = (dataset.split("train").unwrap(), &dataset.manifest().statistics);
    let n = train.len() as f64;
    assert_eq!(got.images, 15);
    let mut mean = vec![0.0; 6 * 6 * 3];
    for i in 0..train.len() {
        let record = train.record(i).unwrap();
        mean.iter_mut().zip(record.pixels.iter()).for_each(|(m, &v)| *m += f64::from(v) / n);
    }
    assert_eq!(got.mean_image.len(), mean.len());
    assert!(got.mean_image.iter().zip(&mean).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4));
    for c in 0..3 {
        let channel = mean.iter().skip(c).step_by(3).sum::<f64>() / 36.0;
        assert!((channel - got.channel_mean[c]).abs() < 1e-9);
    }
    assert!(got.eigenvalues[0] > 0.0);
    let trace: f64 = (0..3).map(|c| got.covariance[c][c]).sum();
    assert!((trace - got.eigenvalues.iter().sum::<f64>()).abs() < 1e-6);
    let orders: Vec<_> = dataset.manifest().splits.iter().map(|s| s.order).collect();
    assert_eq!(orders, [StoredOrder::Shuffled, StoredOrder::Sorted]);
}

/// Files with unusual names, extensions and content are read, reported or counted.
#[test]
fn odd_files() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let rgb = picture(30, 40, 1);
    let (good, real_png) = (jpeg(&rgb, 30, 40), png(&rgb, 30, 40, Rgb8));
    for name in ["plain.jpg", "UPPER.JPG", "a b c.jpeg", "ünïcödé_鱼.JPEG", "deep/er/x.jpg"] {
        put(&input, &format!("one/{name}"), &good);
    }
    put(&input, "two/really_a_png.JPEG", &real_png);
    put(&input, "two/really_a_jpeg.png", &good);
    put(&input, "two/grey.png", &png(&rgb[..1200], 30, 40, L8));
    put(
        &input,
        "two/alpha.png",
        &png(&picture(30, 30, 2)[..2700].repeat(4)[..3600], 30, 30, Rgba8),
    );
    put(&input, "two/strip.png", &png(&rgb[..300], 1, 100, Rgb8));
    put(&input, "two/column.png", &png(&rgb[..300], 100, 1, Rgb8));
    put(&input, "two/dot.png", &png(&rgb[..3], 1, 1, Rgb8));
    put(&input, "two/trailing.jpg", &[&good[..], b"trailing bytes"].concat());
    // Not images, and not named like images: counted.
    put(&input, "two/notes.txt", b"text");
    put(&input, "README.md", b"text");
    // Hidden images are not taken: reported.
    put(&input, "two/.hidden.jpg", &good);
    put(&input, "two/.cache/x.jpg", &good);
    fs::create_dir_all(input.join("two/folder.jpg")).unwrap();
    fs::create_dir_all(input.join("zero")).unwrap();
    // Named like images, but none: reported.
    put(&input, "two/zero.jpg", b"");
    put(&input, "two/text.jpg", b"hello");
    put(&input, "two/half.jpg", &good[..good.len() / 2]);
    put(&input, "two/half.png", &real_png[..real_png.len() / 2]);

    let summary = run(&options(&input, &output, 16)).unwrap();
    assert_eq!((summary.images, summary.classes), (13, 3));
    assert_eq!((summary.skipped, summary.damaged, summary.ignored), (6, 0, 2));
    let mut lines = report(&output);
    lines.sort();
    let hidden = ["two/.cache/x.jpg", "two/.hidden.jpg"];
    let broken = ["two/half.jpg", "two/half.png", "two/text.jpg", "two/zero.jpg"];
    let want = [&hidden[..], &broken].concat();
    let mut want: Vec<_> = want.iter().map(|&p| (p.to_owned(), "skipped".to_owned())).collect();
    want.push(("zero".into(), "noted".into()));
    assert_eq!(lines, want);
    let dataset = Dataset::open(&output).unwrap();
    assert_eq!(dataset.split("train").unwrap().images_per_class(), [5, 8, 0]);
    assert!(matches!(dataset.split("val"), Err(Error::UnknownSplit { .. })));
    assert_eq!(dataset.manifest().splits[0].skipped, 4);

    // Strict: the same input is an error that names them, and nothing is left.
    let output = dir.path().join("strict/deep");
    let text = run(&PrepareOptions { strict: true, ..options(&input, &output, 16) }).unwrap_err();
    let text = text.to_string();
    assert!(text.starts_with("6 of 19 images") && text.contains("two/"), "{text}");
    assert!(!dir.path().join("strict").exists());
}

/// Names that are not UTF-8 and links work; links that lead in circles or nowhere do not hang.
#[cfg(unix)]
#[test]
fn unix_oddities() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(dir.path(), "in", &["a"], 2, 8);
    tree(dir.path(), "elsewhere", &["b"], 3, 8);
    let odd = input.join(std::ffi::OsStr::from_bytes(b"a/caf\xe9.png"));
    fs::write(odd, png(&picture(8, 8, 3), 8, 8, Rgb8)).unwrap();
    symlink(dir.path().join("elsewhere/b"), input.join("b")).unwrap();
    symlink(&input, input.join("a/loop")).unwrap();
    symlink("nowhere.png", input.join("a/dangling.png")).unwrap();
    let summary = run(&options(&input, &output, 8)).unwrap();
    // The link to the input's root is walked once more from inside, and cut where it closes.
    assert!(summary.images >= 6 && summary.skipped >= 2, "{summary:?}");
    assert!(report(&output).iter().any(|(path, _)| path.ends_with("a/dangling.png")));
    assert!(report(&output).iter().any(|(path, _)| path.ends_with("loop")));
}

/// A val tree may be elsewhere, but not inside the train tree, nor with classes that train lacks.
#[test]
fn val_trees() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    tree(root, "t", &["a", "b"], 2, 8);
    tree(root, "v", &["b"], 2, 8);
    let with_val = |input: &str, val: &str, out: &str| {
        let options = options(&root.join(input), &root.join(out), 8);
        run(&PrepareOptions { val: Some(root.join(val)), ..options })
    };
    with_val("t", "v", "o1").unwrap();
    let dataset = Dataset::open(&root.join("o1")).unwrap();
    assert_eq!(dataset.split("val").unwrap().images_per_class(), [0, 2]);
    assert_eq!(dataset.split("val").unwrap().label(0).unwrap(), 1);

    tree(root, "v", &["zebra"], 1, 8);
    let text = with_val("t", "v", "o2").unwrap_err().to_string();
    assert!(text.contains("zebra") && !root.join("o2").exists(), "{text}");
    let text = with_val(".", "v", "o2").unwrap_err().to_string();
    assert!(text.contains("inside"), "{text}");
}

/// An unusable input is an error that names it and leaves nothing.
#[test]
fn clear_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (root, output) = (dir.path(), dir.path().join("out"));
    let fails = |options: &PrepareOptions, parts: &[&str]| {
        let text = run(options).unwrap_err().to_string();
        assert!(parts.iter().all(|p| text.contains(p)) && !text.contains('\n'), "{text}");
        assert!(!output.exists(), "{text}");
    };
    let of = |input: &str| options(&root.join(input), &output, 8);
    fails(&of("missing"), &["missing"]);
    put(root, "file", b"x");
    fails(&of("file"), &["file", "no folder"]);
    fs::create_dir(root.join("empty")).unwrap();
    fails(&of("empty"), &["empty", "class folders"]);
    fs::create_dir_all(root.join("hollow/a")).unwrap();
    fails(&of("hollow"), &["hollow", ".jpg"]);
    tree(root, "lone/train", &["a"], 1, 8);
    fails(&of("lone"), &["train", "val"]);
    tree(root, "good", &["a"], 1, 8);
    for size in [0, 4097, usize::MAX] {
        fails(&PrepareOptions { size, ..of("good") }, &["size", "4096"]);
    }
    fails(&PrepareOptions { shard_records: Some(0), ..of("good") }, &["shard_records"]);
    let val = Some(root.join("good"));
    fails(&PrepareOptions { val, source: Source::Demo, ..of("good") }, &["val"]);

    // An output in use is never touched.
    run(&of("good")).unwrap();
    let before = contents(&output);
    assert!(matches!(run(&of("good")), Err(Error::AlreadyPrepared { .. })));
    assert_eq!(contents(&output), before);
    fs::remove_file(output.join("manifest.json")).unwrap();
    assert!(matches!(run(&of("good")), Err(Error::Unfinished { .. })));
    put(root, "used/notes.txt", b"mine");
    let used = options(&root.join("good"), &root.join("used"), 8);
    assert!(matches!(run(&used), Err(Error::NotEmpty { .. })));
}

/// If no image of train can be read, the error has the first reason, the report has all, and the
/// same call works once there is an image.
#[test]
fn no_image_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    put(&input, "a/x.jpg", b"no");
    put(&input, "b/y\n.png", b"");
    for strict in [false, true] {
        let options = PrepareOptions { strict, ..options(&input, &output, 8) };
        let text = run(&options).unwrap_err().to_string();
        let has = |part| text.contains(part);
        assert!(has("could be read") && has("a/x.jpg: ") && has("6e 6f"), "{text}");
        assert!(has("report.jsonl") && !has("\n"), "{text}");
        let paths: Vec<_> = report(&output).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a/x.jpg", "b/y\n.png"]);
        assert_eq!(contents(&output).len(), 1, "the report is all that stays");
    }
    put(&input, "a/z.png", &png(&picture(8, 8, 1), 8, 8, Rgb8));
    let summary = run(&options(&input, &output, 8)).unwrap();
    assert_eq!((summary.images, summary.skipped), (1, 2));
    assert_eq!(summary.empty_classes, [("train".to_owned(), vec!["b".to_owned()])]);

    // The same where none is even listed.
    let (input, output) = (dir.path().join("strays"), dir.path().join("out2"));
    put(&input, "x.png", &png(&picture(8, 8, 1), 8, 8, Rgb8));
    fs::create_dir(input.join("a")).unwrap();
    let text = run(&options(&input, &output, 8)).unwrap_err().to_string();
    assert!(text.contains("x.png: it lies in no class folder"), "{text}");
    assert_eq!(report(&output)[0].0, "x.png");
}

/// The progress of each stage ends at its total, and never decreases.
#[test]
fn progress_is_told() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), "in/train", &["a", "b"], 4, 8);
    tree(dir.path(), "in/val", &["a"], 2, 8);
    let seen = Mutex::new(Vec::new());
    let options = options(&dir.path().join("in"), &dir.path().join("out"), 8);
    prepare(&options, &|p| seen.lock().unwrap().push(p)).unwrap();
    let seen = seen.into_inner().unwrap();
    for (stage, total) in [(Stage::Train, 8), (Stage::Val, 2)] {
        let done: Vec<_> = seen.iter().filter(|p| p.stage == stage).map(|p| p.done).collect();
        assert_eq!(done, (1..=total).collect::<Vec<_>>());
        assert!(seen.iter().filter(|p| p.stage == stage).all(|p| p.total == total));
    }
}

/// A CIFAR-10 folder of `n` records a file; image r of file f has label (f + r) % 10.
fn cifar(dir: &Path, n: usize) {
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
    for (f, name) in names.into_iter().chain(["test_batch"]).enumerate() {
        let record = |r: usize| {
            let plane = move |c: usize| (0..1024).map(move |p| (p / 8 + c * 50 + f + r) as u8);
            [((f + r) % 10) as u8].into_iter().chain((0..3).flat_map(plane))
        };
        let bytes: Vec<u8> = (0..n).flat_map(record).collect();
        put(dir, &format!("{name}.bin"), &bytes);
    }
}

/// Planes become pixels and files become splits; a wrong file is named.
#[test]
fn cifar10() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("cifar-10-batches-bin"), dir.path().join("out"));
    cifar(&input, 3);
    let options =
        PrepareOptions { threads: 2, ..PrepareOptions::new(Source::Cifar10, dir.path(), &output) };
    run(&options).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    assert_eq!(dataset.manifest().classes[9].name, "truck");
    let val = dataset.split("val").unwrap();
    assert_eq!((val.len(), dataset.split("train").unwrap().len()), (3, 15));
    let record = val.record(2).unwrap();
    assert_eq!(record.label, 7);
    assert_eq!(record.pixels[..3], [7, 57, 107]);
    assert_eq!(record.pixels[(10 * 32 + 9) * 3..][..3], [48, 98, 148]); // pixel 329: 329 / 8 = 41

    let again = |change: &dyn Fn(), parts: &[&str]| {
        cifar(&input, 3);
        change();
        let output = dir.path().join("again");
        let text = run(&PrepareOptions { output: output.clone(), ..options.clone() }).unwrap_err();
        let text = text.to_string();
        assert!(parts.iter().all(|p| text.contains(p)) && !output.exists(), "{text}");
    };
    let file = input.join("data_batch_3.bin");
    again(&|| fs::write(&file, [0; 3072]).unwrap(), &["data_batch_3.bin", "3073", "3072"]);
    again(&|| fs::write(&file, []).unwrap(), &["data_batch_3.bin", "3073"]);
    again(&|| fs::remove_file(&file).unwrap(), &["data_batch_3.bin"]);
    put(&input, "batches.meta.txt", b"a\nb\n");
    again(&|| (), &["batches.meta.txt", "10"]);
    fs::write(input.join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();

    // A label no class has: that record is skipped and reported.
    cifar(&input, 3);
    let mut bytes = fs::read(&file).unwrap();
    bytes[3073] = 10;
    fs::write(&file, bytes).unwrap();
    let output = dir.path().join("label");
    let summary = run(&PrepareOptions { output: output.clone(), ..options.clone() }).unwrap();
    assert_eq!((summary.skipped, summary.images), (1, 17));
    assert_eq!(report(&output), [("data_batch_3.bin#1".into(), "skipped".into())]);
    // In another size, the same images are resized.
    let large = PrepareOptions { size: 64, output: dir.path().join("large"), ..options };
    run(&large).unwrap();
    let large = Dataset::open(&large.output).unwrap();
    let record = large.split("val").unwrap().record(2).unwrap();
    assert_eq!((large.manifest().height, record.pixels.len()), (64, 64 * 64 * 3));
    assert!(record.pixels[0].abs_diff(7) < 3 && record.pixels[2].abs_diff(107) < 3);
}
