//! Raw and JPEG records and mixtures of them within a budget: the same images, in any order.

mod common;

use alexnet_data::{
    Augmentation, Batch, Dataset, Encoding, Error, Offsets, Order, Plan, PrepareOptions, repair,
    verify,
};
use common::{contents, options, picture, png, put, run};
use image::ExtendedColorType::Rgb8;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

const SIDE: usize = 40;

/// 44 train images in two classes, 10 val images, and four files that are no images.
fn input() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    for (split, count) in [("train", 22), ("val", 5)] {
        for class in ["a", "b"] {
            for i in 0..count {
                let seed = i * 7 + split.len() + class.len() * usize::from(class == "b");
                let bytes = png(&picture(SIDE, SIDE, seed), SIDE, SIDE, Rgb8);
                put(&input, &format!("{split}/{class}/{i:03}.png"), &bytes);
            }
            put(&input, &format!("{split}/{class}/x.jpg"), b"no image");
        }
    }
    (dir, input)
}

fn as_(encoding: Encoding, input: &Path, output: &Path) -> PrepareOptions {
    PrepareOptions { encoding, shard_records: Some(9), ..options(input, output, SIDE) }
}

fn jpeg95() -> Encoding {
    Encoding::Jpeg { quality: 95 }
}

fn size(dir: &Path) -> u64 {
    contents(dir).iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

/// The same input as raw, as JPEG and with a budget halfway between them.
fn datasets() -> &'static [Dataset; 3] {
    static ALL: OnceLock<(TempDir, [Dataset; 3])> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let (dir, input) = input();
        let make = |name: &str, encoding| {
            let output = dir.path().join(name);
            run(&as_(encoding, &input, &output)).unwrap();
            Dataset::open(&output).unwrap()
        };
        let (raw, jpeg) = (make("raw", Encoding::Raw), make("jpeg", jpeg95()));
        let bytes = (size(raw.dir()) + size(jpeg.dir())) / 2;
        let mixed = make("mixed", Encoding::Budget { bytes, quality: 95 });
        (dir, [raw, jpeg, mixed])
    });
    &all.1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Batches of any plan differ only in the pixels that JPEG changes: order, crops and labels are
    /// the same.
    #[test]
    fn batches_do_not_depend_on_the_encoding(
        batch in 1usize..20,
        seed: u64,
        epoch in 0usize..9,
        crop in prop::array::uniform2(1usize..=SIDE),
    ) {
        let [raw, jpeg, mixed] = datasets();
        let offsets = Offsets::Inclusive;
        let augmentation = Augmentation {
            crop,
            offsets,
            resized: None,
            flip: true,
            shared_by: 1,
            color: None,
        };
        let (mut want, mut got) = (Batch::new(), Batch::new());
        for dataset in [jpeg, mixed] {
            let split = |d: &'static Dataset| d.split("train").unwrap();
            let records = split(raw).len();
            let plan = Plan::new(records, batch, Order::Shuffled, seed, augmentation).unwrap();
            let statistics = &dataset.manifest().statistics;
            for step in 0..plan.steps_per_epoch() {
                plan.fill(split(raw), &raw.manifest().statistics, epoch, step, &mut want).unwrap();
                plan.fill(split(dataset), statistics, epoch, step, &mut got).unwrap();
                prop_assert_eq!((&got.labels, &got.views), (&want.labels, &want.views));
                let pairs = got.pixels.iter().zip(&want.pixels);
                let error: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                // These colours change faster than 4:2:0 can follow; another record differs by 100.
                let error = error as f64 / want.pixels.len() as f64;
                prop_assert!(error <= 30.0, "{error}");
            }
        }
    }
}

/// A mixture has the raw records of the raw dataset and the JPEG records of the JPEG dataset; the
/// raw ones are evenly spread over the stored order.
#[test]
fn a_mixture_is_made_of_both() {
    let [raw, jpeg, mixed] = datasets();
    let million = mixed.manifest().encoding.raw_per_million;
    assert!((300_000..600_000).contains(&million), "{million}");
    for name in ["train", "val"] {
        let [raw, jpeg, mixed] = [raw, jpeg, mixed].map(|d| d.split(name).unwrap());
        assert_eq!((raw.jpeg().records, jpeg.raw().records), (0, 0));
        assert_eq!(raw.raw().bytes, (raw.len() * SIDE * SIDE * 3) as u64);
        let mut count = 0;
        for i in 0..raw.len() {
            let [r, j, m] = [raw, jpeg, mixed].map(|s| s.record(i).unwrap());
            assert!(r.pixels != j.pixels && (m == r || m == j));
            count += u64::from(m == r);
            // Skipped images shift the count by their own number at most.
            let even = i as f64 * f64::from(million) / 1e6;
            assert!((count as f64 - even).abs() < 4.0, "{count} of {i}");
            let mut buffer = vec![1; 7];
            assert_eq!(jpeg.record_with(i, &mut buffer).unwrap(), j);
        }
        assert_eq!((mixed.raw().records, mixed.jpeg().records), (count, raw.len() as u64 - count));
    }
}

/// The statistics are those of the pixels a reader gets.
#[test]
fn statistics_are_of_decoded_pixels() {
    for dataset in datasets() {
        let (train, n) = (dataset.split("train").unwrap(), 44.0);
        let mut mean = vec![0.0; SIDE * SIDE * 3];
        for i in 0..train.len() {
            let record = train.record(i).unwrap();
            mean.iter_mut().zip(record.pixels.iter()).for_each(|(m, &v)| *m += f64::from(v) / n);
        }
        let got = &dataset.manifest().statistics.mean_image;
        assert!(got.iter().zip(&mean).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4));
    }
}

/// One, two and five threads make the same bytes, and repair makes the bytes of damaged shards
/// again.
#[test]
fn bytes_do_not_depend_on_threads_and_repair_remakes_them() {
    let (dir, input) = input();
    let budget = Encoding::Budget { bytes: 200_000, quality: 90 };
    for (n, encoding) in [jpeg95(), budget].into_iter().enumerate() {
        let made = [1, 2, 5].map(|threads| {
            let output = dir.path().join(format!("out{n}-{threads}"));
            run(&PrepareOptions { threads, ..as_(encoding, &input, &output) }).unwrap();
            (contents(&output), output)
        });
        assert!(made.iter().all(|(files, _)| *files == made[0].0));
        let output = &made[0].1;
        assert_eq!(verify(output, &|_, _| ()).unwrap(), []);
        for name in ["train-00001.shard", "train-00004.shard", "val-00001.shard"] {
            let mut bytes = fs::read(output.join(name)).unwrap();
            bytes[4500] ^= 1;
            fs::write(output.join(name), bytes).unwrap();
        }
        assert_eq!(verify(output, &|_, _| ()).unwrap().len(), 3);
        assert_eq!(repair(output, &input, None, &|_| ()).unwrap().len(), 3);
        assert_eq!(contents(output), made[0].0);
    }
}

/// The folder keeps to any budget, and uses most of it where it can. A budget that cannot be kept
/// is an error that says what would do, and leaves nothing.
#[test]
fn budgets_are_kept() {
    let (dir, input) = input();
    let [raw, jpeg, _] = datasets();
    let (largest, smallest) = (size(raw.dir()), size(jpeg.dir()));
    let mut refused = 0;
    for percent in (0..=110).step_by(5) {
        let bytes = smallest * 9 / 10 + (largest - smallest * 9 / 10) * percent / 100;
        let output = dir.path().join(format!("out{percent}"));
        match run(&as_(Encoding::Budget { bytes, quality: 95 }, &input, &output)) {
            Ok(_) => {
                let took = size(&output);
                assert!(took <= bytes, "{took} of {bytes}");
                // The overhead is bounded generously, and these images differ much in their size.
                let slack = if percent > 100 { bytes - largest } else { 0 };
                assert!(took + slack + 40_000 > bytes * 9 / 10, "{took} of {bytes}");
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(matches!(error, Error::Budget { needed, .. } if needed > bytes), "{text}");
                assert!(text.contains("quality 95") && !output.exists(), "{text}");
            }
        }
    }
    assert!((1..8).contains(&refused), "{refused}");
    // The advice holds: what it names is enough.
    let output = dir.path().join("advised");
    let with = |bytes, quality| run(&as_(Encoding::Budget { bytes, quality }, &input, &output));
    let Err(Error::Budget { needed, advice, .. }) = with(smallest * 19 / 20, 95) else { panic!() };
    assert!(advice.contains("a quality of "), "{advice}");
    with(needed, 95).unwrap();
    assert!(size(&output) <= needed);
}

/// A shard whose images need more bytes than the sample's has a lower quality, which is noted.
#[test]
fn an_unlucky_shard_keeps_to_its_share() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let noise = |i: usize| -> Vec<u8> {
        (0..SIDE * SIDE * 3).map(|p| ((p * 7919 + i * 104_729) ^ (p * p * 31 + i)) as u8).collect()
    };
    for i in 0..30 {
        let (easy, hard) = (picture(SIDE, SIDE, 5), noise(i));
        put(&input, &format!("train/a/{i:03}.png"), &png(&easy, SIDE, SIDE, Rgb8));
        if i < 5 {
            put(&input, &format!("val/a/{i:03}.png"), &png(&hard, SIDE, SIDE, Rgb8));
        }
    }
    let bytes = 130_000;
    let encoding = Encoding::Budget { bytes, quality: 95 };
    run(&as_(encoding, &input, &output)).unwrap();
    assert!(size(&output) <= bytes, "{}", size(&output));
    let report = fs::read_to_string(output.join("report.jsonl")).unwrap();
    assert!(report.contains("val-00000.shard") && report.contains("JPEG quality"), "{report}");
    let want = contents(&output);
    fs::write(output.join("val-00000.shard"), b"").unwrap();
    repair(&output, &input, None, &|_| ()).unwrap();
    assert_eq!(contents(&output), want);
}

/// Invalid qualities are refused before anything is written.
#[test]
fn wrong_qualities() {
    let (dir, input) = input();
    let output = dir.path().join("out");
    for quality in [0, 101, 255] {
        for encoding in [Encoding::Jpeg { quality }, Encoding::Budget { bytes: 1 << 30, quality }] {
            let text = run(&as_(encoding, &input, &output)).unwrap_err().to_string();
            assert!(text.contains("quality") && !output.exists(), "{text}");
        }
    }
}
