//! Plans and batches: every record once an epoch, draws in range, the same bytes in any order.

mod common;

use alexnet_data::{
    Augmentation, Batch, ColorNoise, ColorScale, Dataset, Error, Offsets, Order, Pixels, Plan,
    ResizedCrop, Split, Statistics, View, Views, test_views,
};
use common::small_dataset;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::OnceLock;

/// One dataset of 15 train records of 8 × 8 for all tests here.
fn dataset() -> &'static Dataset {
    static DATASET: OnceLock<(tempfile::TempDir, PathBuf, Dataset)> = OnceLock::new();
    let all = DATASET.get_or_init(|| {
        let (guard, path) = small_dataset(8);
        let dataset = Dataset::open(&path).unwrap();
        (guard, path, dataset)
    });
    &all.2
}

fn train() -> (&'static Split, &'static Statistics) {
    (dataset().split("train").unwrap(), &dataset().manifest().statistics)
}

fn augmentation(crop: [usize; 2]) -> Augmentation {
    let offsets = Offsets::Inclusive;
    Augmentation { crop, offsets, resized: None, flip: true, shared_by: 1, color: None }
}

/// The pixels of a crop, copied one by one.
fn crop_slowly(split: &Split, view: View, [height, width]: [usize; 2]) -> Vec<u8> {
    let image = split.record(view.record).unwrap().pixels;
    let at = |y: usize, x: usize, c: usize| {
        let x = if view.flip { width - 1 - x } else { x };
        image[((view.top + y) * split.width() + view.left + x) * 3 + c]
    };
    (0..height * width * 3).map(|i| at(i / 3 / width, i / 3 % width, i % 3)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every record exactly once an epoch; offsets and chunks as stated; pixels as drawn; the same
    /// bytes again from another plan, last step first.
    #[test]
    fn an_epoch(
        batch in 1usize..20,
        seed: u64,
        epoch in 0usize..1000,
        shared_by in 1usize..6,
        crop in prop::array::uniform2(1usize..=8),
        offsets in prop::sample::select(vec![
            Offsets::Inclusive,
            Offsets::Exclusive,
            Offsets::Centre,
        ]),
        stored: bool,
        flip: bool,
    ) {
        let (split, stats) = train();
        let color = Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation });
        let augmentation = Augmentation { crop, offsets, resized: None, flip, shared_by, color };
        let order = if stored { Order::Stored } else { Order::Shuffled };
        let plan = || Plan::new(split.len(), batch, order, seed, augmentation).unwrap();
        let (first, second) = (plan(), plan());
        let mut batches = Vec::new();
        let mut reused = Batch::new();
        for step in 0..first.steps_per_epoch() {
            first.fill(split, stats, epoch, step, &mut reused).unwrap();
            batches.push(reused.clone());
        }
        for (step, want) in batches.iter().enumerate().rev() {
            second.fill(split, stats, epoch, step, &mut reused).unwrap();
            prop_assert_eq!(&reused, want);
        }
        let views: Vec<_> = batches.iter().flat_map(|b| b.views.clone()).collect();
        let mut records: Vec<_> = views.iter().map(|v| v.record).collect();
        if stored {
            prop_assert!(records.is_sorted());
        }
        records.sort();
        prop_assert_eq!(records, (0..split.len()).collect::<Vec<_>>());
        let allowed = |stored: usize, crop: usize| match offsets {
            Offsets::Inclusive => 0..stored - crop + 1,
            Offsets::Exclusive => 0..(stored - crop).max(1),
            Offsets::Centre => (stored - crop) / 2..(stored - crop) / 2 + 1,
        };
        for chunk in views.chunks(shared_by) {
            for v in chunk {
                prop_assert!(allowed(8, crop[0]).contains(&v.top));
                prop_assert!(allowed(8, crop[1]).contains(&v.left));
                prop_assert!(flip || !v.flip);
                prop_assert_eq!(View { record: 0, ..*v }, View { record: 0, ..chunk[0] });
            }
        }
        for b in &batches {
            prop_assert_eq!([b.height, b.width], crop);
            prop_assert_eq!((b.color_shift.len(), b.views.len()), (b.len(), b.len()));
            prop_assert!(!b.is_empty());
            for (i, view) in b.views.iter().enumerate() {
                let size = crop[0] * crop[1] * 3;
                prop_assert_eq!(&b.pixels[i * size..][..size], crop_slowly(split, *view, crop));
                prop_assert_eq!(b.labels[i], split.label(view.record).unwrap());
            }
        }
    }

    /// An image's own draws do not depend on the batch size or its place in the order.
    #[test]
    fn draws_belong_to_the_image(a in 1usize..20, b in 1usize..20, seed: u64) {
        let (split, stats) = train();
        let mut draws = [(a, Order::Shuffled), (b, Order::Stored)].map(|(batch, order)| {
            let color = Some(ColorNoise { sigma: 0.1, scale: ColorScale::Eigenvalue });
            let augmentation = Augmentation { color, ..augmentation([5, 5]) };
            let plan = Plan::new(split.len(), batch, order, seed, augmentation).unwrap();
            let mut all = Vec::new();
            let mut batch = Batch::new();
            for step in 0..plan.steps_per_epoch() {
                plan.fill(split, stats, 3, step, &mut batch).unwrap();
                let shifts = batch.color_shift.iter().map(|s| s.map(f32::to_bits));
                all.extend(batch.views.iter().copied().zip(shifts));
            }
            all
        });
        draws.iter_mut().for_each(|d| d.sort_by_key(|(view, _)| view.record));
        prop_assert_eq!(&draws[0], &draws[1]);
    }

    /// The views lie inside. The ten are at the four corners and the centre, and come mirrored; of
    /// the nine there are three in each row and column; of all there is each offset, and mirrored.
    #[test]
    fn views_of_a_test(
        stored in prop::array::uniform2(1usize..70),
        crop in prop::array::uniform2(0usize..70),
    ) {
        let fits = (0..2).all(|i| crop[i] > 0 && crop[i] <= stored[i]);
        match test_views(stored, crop, Views::Ten) {
            Err(error) => prop_assert!(!fits, "{}", error),
            Ok(views) => {
                prop_assert!(fits && views.len() == 10);
                prop_assert!(views.iter().all(|v| v.top + crop[0] <= stored[0]));
                prop_assert!(views.iter().all(|v| v.left + crop[1] <= stored[1]));
                for (plain, mirrored) in views[..5].iter().zip(&views[5..]) {
                    prop_assert_eq!(View { flip: true, ..*plain }, *mirrored);
                }
                let of = |views| test_views(stored, crop, views).unwrap();
                prop_assert_eq!(&of(Views::One)[..], &views[4..5]);
                prop_assert_eq!(of(Views::Two), [views[4], views[9]]);
                let nine = of(Views::Nine);
                prop_assert_eq!(nine.len(), 9);
                let corners = [nine[0], nine[2], nine[6], nine[8], nine[4]];
                prop_assert_eq!(&corners[..], &views[..5]);
                prop_assert_eq!((nine[1].top, nine[1].left), (nine[0].top, nine[4].left));
                prop_assert_eq!((nine[3].top, nine[3].left), (nine[4].top, nine[0].left));
                let rooms = [stored[0] - crop[0] + 1, stored[1] - crop[1] + 1];
                let all = of(Views::All);
                prop_assert_eq!(all.len(), 2 * rooms[0] * rooms[1]);
                prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
                prop_assert!(all.iter().all(|v| v.top < rooms[0] && v.left < rooms[1]));
            }
        }
    }
}

/// Epochs, seeds and images differ; half of the crops are mirrored, and all offsets come up.
#[test]
fn draws_differ() {
    let (split, stats) = train();
    let views = |seed, epoch| {
        let plan = Plan::new(split.len(), 15, Order::Shuffled, seed, augmentation([6, 6])).unwrap();
        let mut batch = Batch::new();
        plan.fill(split, stats, epoch, 0, &mut batch).unwrap();
        batch.views
    };
    assert_ne!(views(1, 0), views(1, 1));
    assert_ne!(views(1, 0), views(2, 0));
    let many: Vec<_> = (0..200).flat_map(|epoch| views(9, epoch)).collect();
    let flipped = many.iter().filter(|v| v.flip).count();
    assert!((1350..1650).contains(&flipped), "{flipped} of 3000"); // five standard deviations
    for offset in 0..3 {
        assert!(many.iter().any(|v| v.top == offset) && many.iter().any(|v| v.left == offset));
    }
}

/// A seed means the same run in later versions: order, offsets and flips.
#[test]
fn a_seed_means_the_same_run() {
    let (split, stats) = train();
    let plan = Plan::new(15, 6, Order::Shuffled, 7, augmentation([3, 4])).unwrap();
    let mut batch = Batch::new();
    plan.fill(split, stats, 2, 1, &mut batch).unwrap();
    let views: Vec<_> = batch.views.iter().map(|v| (v.record, v.top, v.left, v.flip)).collect();
    let first = [(9, 3, 3, true), (14, 3, 0, false), (12, 4, 0, true)];
    let last = [(0, 1, 0, true), (2, 1, 3, false), (1, 2, 3, true)];
    assert_eq!(views, [first, last].concat());
}

/// Also from epoch to epoch, and the colour shifts.
#[test]
fn a_seed_means_the_same_epochs_and_colors() {
    let (split, stats) = train();
    let color = Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation });
    let augmentation = Augmentation { color, ..augmentation([6, 6]) };
    let plan = Plan::new(split.len(), 15, Order::Shuffled, 1, augmentation).unwrap();
    let mut batch = Batch::new();
    let [first, second] = [0, 1].map(|epoch| {
        plan.fill(split, stats, epoch, 0, &mut batch).unwrap();
        batch.views.iter().map(|v| v.record).collect::<Vec<_>>()
    });
    plan.fill(split, stats, 0, 0, &mut batch).unwrap();
    let signs: String =
        batch.color_shift.iter().map(|s| if s[0] < 0.0 { '-' } else { '+' }).collect();
    assert_eq!(first, [3, 14, 11, 0, 13, 7, 2, 8, 6, 1, 9, 12, 10, 4, 5]);
    assert_eq!(second, [0, 14, 7, 5, 2, 8, 13, 12, 10, 1, 9, 4, 6, 11, 3]);
    assert_eq!(signs, "+++++++-+-+-+-+");
}

/// Each of the 24 orders of four records is about equally frequent.
#[test]
fn orders_are_uniform() {
    let dir = tempfile::tempdir().unwrap();
    common::tree(&dir.path().join("in"), "train", &["a", "b"], 2, 8);
    let (input, output) = (dir.path().join("in/train"), dir.path().join("out"));
    common::run(&common::options(&input, &output, 8)).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    let (split, stats) = (dataset.split("train").unwrap(), &dataset.manifest().statistics);
    let plan = Plan::new(4, 4, Order::Shuffled, 5, augmentation([1, 1])).unwrap();
    let (mut batch, mut seen) = (Batch::new(), HashMap::new());
    for epoch in 0..24_000 {
        plan.fill(split, stats, epoch, 0, &mut batch).unwrap();
        let order: Vec<_> = batch.views.iter().map(|view| view.record).collect();
        *seen.entry(order).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 24);
    // The mean is 1000 and the standard deviation 31; the bounds are six of them away.
    assert!(seen.values().all(|n| (800..1200).contains(n)), "{seen:?}");
}

/// The colour shifts have the stated covariance: Σ (σ·scale_i)² p_i p_iᵀ.
#[test]
fn color_noise_has_the_stated_covariance() {
    let (split, stats) = train();
    for scale in [ColorScale::StandardDeviation, ColorScale::Eigenvalue] {
        let augmentation =
            Augmentation { color: Some(ColorNoise { sigma: 0.1, scale }), ..augmentation([1, 1]) };
        let plan = Plan::new(split.len(), 15, Order::Stored, 5, augmentation).unwrap();
        let mut batch = Batch::new();
        let (mut got, mut n) = ([[0.0f64; 3]; 3], 0.0);
        for epoch in 0..2000 {
            plan.fill(split, stats, epoch, 0, &mut batch).unwrap();
            for s in &batch.color_shift {
                n += 1.0;
                (0..9).for_each(|i| got[i / 3][i % 3] += f64::from(s[i / 3]) * f64::from(s[i % 3]));
            }
        }
        let largest = stats.eigenvalues[0];
        let strength = |value: f64| match scale {
            ColorScale::StandardDeviation => 0.01 * value,
            ColorScale::Eigenvalue => (0.1 * value / 255.0).powi(2),
        };
        for a in 0..3 {
            for b in 0..3 {
                let want: f64 = (0..3)
                    .map(|i| {
                        let p = stats.eigenvectors[i];
                        strength(stats.eigenvalues[i].max(0.0)) * p[a] * p[b]
                    })
                    .sum();
                // 30,000 draws: a relative error of √(2 / n) = 0.8 %, five of them.
                assert!((got[a][b] / n - want).abs() < 0.04 * strength(largest), "{scale:?}");
            }
        }
    }
}

/// Evaluation: the same view of consecutive records, without colour.
#[test]
fn fill_views() {
    let split = dataset().split("val").unwrap();
    let mut batch = Batch::new();
    for view in test_views([8, 8], [5, 4], Views::Ten).unwrap() {
        batch.fill_views(split, 1..5, [5, 4], view).unwrap();
        assert_eq!((batch.len(), batch.pixels.len()), (4, 4 * 5 * 4 * 3));
        assert_eq!(batch.color_shift, [[0.0; 3]; 4]);
        for i in 0..4 {
            let want = crop_slowly(split, View { record: 1 + i, ..view }, [5, 4]);
            assert_eq!(batch.pixels[i * 60..][..60], want);
        }
    }
    let view = test_views([8, 8], [8, 8], Views::One).unwrap()[0];
    let error = batch.fill_views(split, 3..7, [8, 8], view).unwrap_err();
    assert!(matches!(error, Error::NoSuchRecord { record: 6, .. }));
    assert!(batch.fill_views(split, 0..usize::MAX, [8, 8], view).is_err());
    assert!(batch.fill_views(split, 0..1, [9, 8], view).is_err());
    assert!(batch.fill_views(split, 0..1, [0, 8], view).is_err());
    let outside = View { left: usize::MAX, ..view };
    assert!(matches!(batch.fill_views(split, 0..1, [8, 8], outside), Err(Error::Crop { .. })));
    batch.fill_views(split, 2..2, [8, 8], view).unwrap();
    assert!(batch.is_empty() && batch.pixels.is_empty());
}

/// Prediction: the views of one image that is in no dataset.
#[test]
fn fill_image() {
    let data = common::picture(8, 8, 3);
    let image = Pixels { height: 8, width: 8, data, damage: None };
    let views = test_views([8, 8], [8, 8], Views::Ten).unwrap();
    let mut batch = Batch::new();
    batch.fill_image(&image, [8, 8], &views).unwrap();
    assert_eq!((batch.len(), batch.views.len()), (10, 10));
    assert_eq!(batch.pixels[..192], image.data);
    assert_eq!(batch.pixels[9 * 192..][..3], image.data[21..24]); // mirrored: the row's last pixel
    assert!(batch.fill_image(&image, [9, 8], &views).is_err());
    batch.fill_image(&image, [0, 0], &[]).unwrap();
    assert!(batch.is_empty());
}

/// Filling a batch again, with no more images than before, does not move its memory.
#[test]
fn batches_are_reused() {
    let (split, stats) = train();
    let plan = Plan::new(split.len(), 4, Order::Shuffled, 1, augmentation([7, 7])).unwrap();
    let mut batch = Batch::new();
    plan.fill(split, stats, 0, 0, &mut batch).unwrap();
    let memory = (batch.pixels.as_ptr(), batch.labels.as_ptr());
    for step in 0..4 {
        plan.fill(split, stats, 1, step, &mut batch).unwrap();
        assert_eq!(batch.len(), if step == 3 { 3 } else { 4 });
    }
    assert_eq!((batch.pixels.as_ptr(), batch.labels.as_ptr()), memory);
}

/// Settings that cannot be are refused, each by its name.
#[test]
fn wrong_settings() {
    let (split, stats) = train();
    let good = augmentation([8, 8]);
    let fails = |records, batch, a: Augmentation, name: &str| {
        let text = Plan::new(records, batch, Order::Stored, 0, a).unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    };
    fails(0, 1, good, "records");
    fails(usize::MAX, 1, good, "records");
    fails(1, 0, good, "batch");
    fails(1, 1, Augmentation { shared_by: 0, ..good }, "shared_by");
    fails(1, 1, Augmentation { crop: [0, 1], ..good }, "crop height");
    let resized = Some(ResizedCrop { area: [0.0, 1.0], ratio: [0.5, 2.0] });
    fails(1, 1, Augmentation { resized, ..good }, "area [0.0, 1.0], ratio [0.5, 2.0]");
    for sigma in [f64::NAN, f64::INFINITY, -0.1] {
        let color = Some(ColorNoise { sigma, scale: ColorScale::Eigenvalue });
        fails(1, 1, Augmentation { color, ..good }, "sigma");
    }
    let mut batch = Batch::new();
    let plan = Plan::new(15, usize::MAX, Order::Shuffled, 0, good).unwrap();
    plan.fill(split, stats, usize::MAX, 0, &mut batch).unwrap();
    assert!(matches!(plan.fill(split, stats, 0, 1, &mut batch), Err(Error::NoSuchStep { .. })));
    let plan = Plan::new(14, 1, Order::Shuffled, 0, good).unwrap();
    assert!(matches!(plan.fill(split, stats, 0, 0, &mut batch), Err(Error::PlanLength { .. })));
    let plan = Plan::new(15, 1, Order::Shuffled, 0, augmentation([9, 8])).unwrap();
    assert!(matches!(plan.fill(split, stats, 0, 0, &mut batch), Err(Error::Crop { .. })));
}

/// Augmentations are data: unknown and missing keys are errors, and all comes back.
#[test]
fn augmentation_is_data() {
    let color = Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation });
    let all = Augmentation { color, shared_by: 32, ..augmentation([224, 224]) };
    let text = serde_json::to_string(&all).unwrap();
    assert!(text.contains("\"standard-deviation\"") && text.contains("\"inclusive\""), "{text}");
    assert_eq!(serde_json::from_str::<Augmentation>(&text).unwrap(), all);
    assert!(serde_json::from_str::<Augmentation>(&text.replace("flip", "flop")).is_err());
    assert!(serde_json::from_str::<Augmentation>("{}").is_err());
}
