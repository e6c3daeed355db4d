//! Parts that were made at once or one by one, and interrupted or not, are merged to the bytes of
//! an undivided run.

mod common;

use alexnet_data::{Encoding, Error, Part, PrepareOptions, Progress, merge, prepare_part, verify};
use common::{contents, options, picture, png, put, run};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;

const SIDE: usize = 36;

/// 42 train and 8 val images and four files that are no images, in shards of 5: nine of train, two
/// of val.
fn input() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    for (split, count) in [("train", 21), ("val", 4)] {
        for (c, class) in ["a", "b"].into_iter().enumerate() {
            for i in 0..count {
                let pixels = picture(SIDE, SIDE, i * 7 + c * 3 + split.len());
                put(
                    &input,
                    &format!("{split}/{class}/{i:03}.png"),
                    &png(&pixels, SIDE, SIDE, Rgb8),
                );
            }
        }
    }
    for path in ["train/a/x.jpg", "train/b/y.jpg", "val/a/x.jpg", "val/b/y.jpg"] {
        put(&input, path, b"no image");
    }
    (dir, input)
}

fn five(encoding: Encoding, input: &Path, output: &Path) -> PrepareOptions {
    PrepareOptions { encoding, shard_records: Some(5), ..options(input, output, SIDE) }
}

fn part(text: &str) -> Part {
    text.parse().unwrap()
}

fn make(options: &PrepareOptions, text: &str) -> Result<alexnet_data::PartSummary, Error> {
    prepare_part(options, part(text), &|_| (), &AtomicBool::new(false))
}

const ENCODINGS: [Encoding; 3] = [
    Encoding::Raw,
    Encoding::Jpeg { quality: 95 },
    Encoding::Budget { bytes: 180_000, quality: 90 },
];

/// Three parts made at once in one folder, and four made one after another in their own folders,
/// are merged to the bytes of an undivided run, with any number of threads.
#[test]
fn parts_merge_to_the_undivided_run() {
    let (dir, input) = input();
    for (n, encoding) in ENCODINGS.into_iter().enumerate() {
        let at = |name: &str| dir.path().join(format!("{name}{n}"));
        let undivided = run(&five(encoding, &input, &at("whole"))).unwrap();
        let want = contents(&at("whole"));

        let shared = at("shared");
        let sums: Vec<_> = thread::scope(|scope| {
            let made = ["1/3", "2/3", "3/3"].map(|text| {
                let options = five(encoding, &input, &shared);
                scope.spawn(move || make(&options, text).unwrap())
            });
            made.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(sums.iter().map(|s| s.images).sum::<u64>(), undivided.images);
        assert_eq!(sums.iter().map(|s| s.skipped).sum::<u64>(), undivided.skipped);
        assert_eq!(sums.iter().map(|s| s.shards).collect::<Vec<_>>(), [[4, 11], [4, 11], [3, 11]]);
        assert_eq!(merge(&[], &shared, false).unwrap().images, undivided.images);
        assert_eq!(contents(&shared), want, "{encoding:?}, shared");
        assert!(matches!(
            make(&five(encoding, &input, &shared), "1/3"),
            Err(Error::AlreadyPrepared { .. })
        ));

        let apart: Vec<_> = (1..=4).map(|p| at(&format!("apart{p}-"))).collect();
        for (p, output) in apart.iter().enumerate() {
            let options = PrepareOptions { threads: p + 1, ..five(encoding, &input, output) };
            make(&options, &format!("{}/4", p + 1)).unwrap();
        }
        let before: Vec<_> = apart.iter().map(|dir| contents(dir)).collect();
        merge(&apart, &at("joined"), false).unwrap();
        assert_eq!(contents(&at("joined")), want, "{encoding:?}, apart");
        assert_eq!(apart.iter().map(|dir| contents(dir)).collect::<Vec<_>>(), before);
        assert_eq!(verify(&at("joined"), &|_, _| ()).unwrap(), []);
        // The first part's folder may be that of the dataset.
        merge(&apart[1..], &apart[0], false).unwrap();
        assert_eq!(contents(&apart[0]), want);
    }
}

/// A part that was interrupted anywhere continues, and an undivided run finishes what parts have
/// begun.
#[test]
fn interrupted_parts_continue() {
    let (dir, input) = input();
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let options = five(ENCODINGS[2], &input, &output);
    run(&five(ENCODINGS[2], &input, &whole)).unwrap();
    let want = contents(&whole);
    let interrupted = |text: &str, done: usize| {
        let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        let count = |p: Progress| {
            if p.total > 0 && seen.fetch_add(1, Ordering::Relaxed) + 1 == done {
                stop.store(true, Ordering::Relaxed);
            }
        };
        prepare_part(&options, part(text), &count, &stop).map(|_| ())
    };
    for step in [1, 3, 7, 12, 19] {
        for text in ["1/2", "2/2"] {
            let mut runs = 0;
            // Later each time: images of shards that several threads have begun may all be lost.
            while let Err(error) = interrupted(text, 5 + step + 5 * runs) {
                assert!(matches!(error, Error::Interrupted { .. }), "{error}");
                runs += 1;
                assert!(runs < 20);
            }
        }
        // As a killed run leaves them: files under way, of this part and of another one.
        fs::write(output.join(".train-00001.shard.Ab12Cd.partial"), b"half").unwrap();
        fs::write(output.join("..train-00000.shard.done.Ab12Cd.partial"), b"half").unwrap();
        make(&options, "2/2").unwrap();
        assert!(!output.join(".train-00001.shard.Ab12Cd.partial").exists());
        assert!(output.join("..train-00000.shard.done.Ab12Cd.partial").exists());
        merge(&[], &output, false).unwrap();
        assert_eq!(contents(&output), want);
        fs::remove_dir_all(&output).unwrap();
    }
    make(&options, "2/5").unwrap();
    run(&options).unwrap();
    assert_eq!(contents(&output), want);
}

/// A merge that was killed at any moment continues: the files it had copied are checked.
#[test]
fn an_interrupted_merge_continues() {
    let (dir, input) = input();
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    run(&five(Encoding::Raw, &input, &whole)).unwrap();
    let parts = ["1/2", "2/2"].map(|text| {
        let at = dir.path().join(&text[..1]);
        make(&five(Encoding::Raw, &input, &at), text).unwrap();
        at
    });
    fs::create_dir(&output).unwrap();
    let bring = |name: &str, bytes: &[u8]| fs::write(output.join(name), bytes).unwrap();
    let from = contents(&parts[0]);
    let bytes = |name: &str| &from.iter().find(|(n, _)| n == name).unwrap().1;
    bring(".prepare.json", bytes(".prepare.json"));
    bring("train-00000.shard", &bytes("train-00000.shard")[..5000]);
    bring(".train-00000.shard.done", bytes(".train-00000.shard.done"));
    bring("train-00002.shard", bytes("train-00002.shard"));
    bring(".train-00002.shard.X.partial", b"half");
    merge(&parts, &output, false).unwrap();
    assert_eq!(contents(&output), contents(&whole));
    // Between the manifest and the tidying.
    bring(".prepare.json", bytes(".prepare.json"));
    merge(&parts, &output, false).unwrap();
    assert_eq!(contents(&output), contents(&whole));
    assert!(matches!(merge(&parts, &output, false), Err(Error::AlreadyPrepared { .. })));
}

/// The error for missing shards names them and the parts that make them, and changes nothing.
#[test]
fn missing_parts_are_named() {
    let (dir, input) = input();
    let (shared, output) = (dir.path().join("shared"), dir.path().join("out"));
    let options = five(Encoding::Raw, &input, &shared);
    make(&options, "1/4").unwrap();
    make(&options, "4/4").unwrap();
    let before = contents(&shared);
    let text = merge(&[], &shared, false).unwrap_err().to_string();
    for part in
        ["6 of 11 shards", "train-00001.shard", "val-00001.shard", "`--part 2/4`, `--part 3/4`"]
    {
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|f| f.0.clone()).filter(|n| n != ".prepare.lock").collect()
    };
    assert_eq!(names(&contents(&shared)), names(&before));
    let text = merge(std::slice::from_ref(&shared), &output, false).unwrap_err().to_string();
    assert!(text.contains("--part 2/4") && !output.exists(), "{text}");
    // A damaged shard is a missing one.
    make(&options, "2/4").unwrap();
    make(&options, "3/4").unwrap();
    fs::write(shared.join("train-00006.shard"), b"x").unwrap();
    let text = merge(&[], &shared, false).unwrap_err().to_string();
    assert!(text.contains("(train-00006.shard)") && text.contains("with `--part 3/4`,"), "{text}");
    make(&options, "3/4").unwrap();
    merge(&[], &shared, false).unwrap();

    fs::create_dir(&output).unwrap();
    assert!(matches!(merge(&[], &output, false), Err(Error::NotAPart { .. })));
    let missing = dir.path().join("missing");
    assert!(matches!(merge(&[missing], &output, false), Err(Error::NotAPart { .. })));
}

/// Parts with other options or another input are refused in the same folder and in a merge.
#[test]
fn other_parts_are_refused() {
    let (dir, input) = input();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    make(&five(Encoding::Raw, &input, &a), "1/2").unwrap();
    let refused = |options: PrepareOptions, word: &str| {
        let text =
            make(&PrepareOptions { output: a.clone(), ..options.clone() }, "2/2").unwrap_err();
        assert!(matches!(text, Error::OtherPreparation { .. }), "{text}");
        assert!(text.to_string().contains(word), "{text}");
        make(&options, "2/2").unwrap();
        let text = merge(&[a.clone(), b.clone()], &dir.path().join("c"), false).unwrap_err();
        assert!(
            matches!(text, Error::OtherPart { .. }) && text.to_string().contains(word),
            "{text}"
        );
        assert!(!dir.path().join("c").exists());
        fs::remove_dir_all(&b).unwrap();
    };
    let same = five(Encoding::Raw, &input, &b);
    refused(PrepareOptions { size: 9, ..same.clone() }, "size");
    refused(PrepareOptions { shard_records: Some(6), ..same.clone() }, "shard length");
    refused(PrepareOptions { exif: alexnet_data::Exif::Apply, ..same.clone() }, "EXIF");
    refused(PrepareOptions { max_pixels: 5000, ..same.clone() }, "the most pixels of an image");
    refused(PrepareOptions { encoding: ENCODINGS[1], ..same.clone() }, "quality");
    refused(PrepareOptions { encoding: ENCODINGS[2], ..same.clone() }, "quality");
    put(&input, "train/a/more.png", b"x");
    refused(same.clone(), "number of images");
    fs::rename(input.join("train/a/more.png"), input.join("more.png")).unwrap();
    fs::rename(input.join("train/a/000.png"), input.join("train/a/0000.png")).unwrap();
    refused(same, "list of images");
}

/// Different parts run at once; the same part twice, or a whole preparation beside a part, are
/// refused.
#[test]
fn locks() {
    let (dir, input) = input();
    let output = dir.path().join("out");
    let options = five(Encoding::Raw, &input, &output);
    let once = std::sync::Once::new();
    let on_first = |p: Progress| {
        if p.total > 0 {
            once.call_once(|| {
                let text = make(&options, "1/2").unwrap_err().to_string();
                let holder = format!("process {} on host ", std::process::id());
                assert!(text.starts_with(&holder) && text.contains("part 1/2"), "{text}");
                // The lock that parts share names nobody, those of the parts do.
                let error = run(&options).unwrap_err();
                assert!(matches!(error, Error::Busy { .. }), "{error}");
                assert!(error.to_string().starts_with(&holder), "{error}");
                assert!(matches!(merge(&[], &output, false), Err(Error::Busy { .. })));
                make(&options, "2/2").unwrap();
            });
        }
    };
    prepare_part(&options, part("1/2"), &on_first, &AtomicBool::new(false)).unwrap();
    assert!(once.is_completed());
    merge(&[], &output, false).unwrap();
    assert!(contents(&output).iter().all(|(name, _)| !name.starts_with('.')));
    let output = dir.path().join("other");
    let busy = std::sync::Mutex::new(None);
    let on_first = |p: Progress| {
        if p.total > 0 && busy.lock().unwrap().is_none() {
            let other = PrepareOptions { output: output.clone(), ..options.clone() };
            *busy.lock().unwrap() = Some(make(&other, "1/2"));
        }
    };
    alexnet_data::prepare(&PrepareOptions { output: output.clone(), ..options.clone() }, &on_first)
        .unwrap();
    let busy = busy.into_inner().unwrap().unwrap().unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    let holder = format!("process {} on host ", std::process::id());
    assert!(busy.to_string().starts_with(&holder), "{busy}");
}

/// There may be more parts than shards; errors leave nothing, and strictness loses nothing.
#[test]
fn edges() {
    let (dir, input) = input();
    let (whole, output) = (dir.path().join("whole"), dir.path().join("out"));
    let options = five(Encoding::Raw, &input, &output);
    assert_eq!(make(&options, "17/17").unwrap().shards, [0, 11]);
    for p in 1..17 {
        make(&options, &format!("{p}/17")).unwrap();
    }
    assert!(matches!(merge(&[], &output, true), Err(Error::Strict { count: 4, .. })));
    merge(&[], &output, false).unwrap();
    run(&five(Encoding::Raw, &input, &whole)).unwrap();
    assert_eq!(contents(&output), contents(&whole));

    let output = dir.path().join("deep/er");
    let missing = five(Encoding::Raw, &dir.path().join("missing"), &output);
    assert!(make(&missing, "1/2").is_err() && !dir.path().join("deep").exists());
    let strict = PrepareOptions { strict: true, ..five(Encoding::Raw, &input, &output) };
    let strict = ["1/2", "2/2"].map(|p| make(&strict, p));
    assert!(strict.iter().any(|r| matches!(r, Err(Error::Strict { .. }))));
    merge(&[], &output, false).unwrap();
    assert_eq!(contents(&output), contents(&whole));
}

#[test]
fn parts_are_counted_from_one() {
    for good in ["1/1", "3/16", "16/16"] {
        assert_eq!(part(good).to_string(), good);
    }
    for bad in [
        "0/4",
        "5/4",
        "1/0",
        "0/0",
        "1",
        "",
        "/",
        "a/4",
        "1/4/2",
        "-1/4",
        "+1/4",
        "1 /4",
        "1/99999999999999999999999",
    ] {
        assert!(bad.parse::<Part>().is_err(), "{bad}");
    }
}
