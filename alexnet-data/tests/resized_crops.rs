//! Parts of random size and proportion: where they lie, and what is made of them.

mod common;

use alexnet_data::{Augmentation, Batch, Dataset, Offsets, Order, Plan, ResizedCrop, View};
use common::small_dataset;
use proptest::prelude::*;

const TORCHVISION: ResizedCrop = ResizedCrop { area: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] };

fn plan(resized: ResizedCrop, crop: [usize; 2], seed: u64) -> Plan {
    let offsets = Offsets::Inclusive;
    let augmentation = Augmentation {
        crop,
        offsets,
        resized: Some(resized),
        flip: true,
        shared_by: 1,
        color: None,
    };
    Plan::new(15, 15, Order::Stored, seed, augmentation).unwrap()
}

/// The views of so many epochs of images of 48 × 48 pixels.
fn views(resized: ResizedCrop, epochs: usize) -> Vec<View> {
    let (_guard, path) = small_dataset(48);
    let dataset = Dataset::open(&path).unwrap();
    let (train, statistics) = (dataset.split("train").unwrap(), &dataset.manifest().statistics);
    let (plan, mut batch) = (plan(resized, [16, 16], 3), Batch::new());
    let epoch = |epoch| {
        plan.fill(train, statistics, epoch, 0, &mut batch).unwrap();
        batch.views.clone()
    };
    (0..epochs).flat_map(epoch).collect()
}

/// The areas are as uniform as they are where all parts fit, no proportion is more frequent than
/// its inverse, and all lie inside.
#[test]
fn areas_and_proportions() {
    let views = views(ResizedCrop { area: [0.08, 0.5], ..TORCHVISION }, 200);
    let (mut area, mut wide, mut narrow) = (0.0, 0, 0);
    for view in &views {
        let [height, width] = view.resized_from.unwrap();
        assert!(view.top + height <= 48 && view.left + width <= 48, "{view:?}");
        let ratio = width as f64 / height as f64;
        assert!((0.68..=1.47).contains(&ratio), "{view:?}"); // of whole pixels
        area += (height * width) as f64 / 48.0 / 48.0 / views.len() as f64;
        (wide, narrow) = (wide + usize::from(width > height), narrow + usize::from(height > width));
    }
    assert!((area - 0.29).abs() < 0.01, "{area}");
    assert!(wide.abs_diff(narrow) < views.len() / 15, "{wide} wide, {narrow} narrow");
    let flipped = views.iter().filter(|view| view.flip).count();
    assert!(flipped.abs_diff(views.len() / 2) < views.len() / 20, "{flipped}");
}

/// A seed means the same parts in later versions.
#[test]
fn a_seed_means_the_same_parts() {
    let part = |view: &View| {
        let [height, width] = view.resized_from.unwrap();
        (view.top, view.left, height, width, view.flip)
    };
    let got: Vec<_> = views(TORCHVISION, 1).iter().take(4).map(part).collect();
    assert_eq!(got, GOLDEN);
}

const GOLDEN: [(usize, usize, usize, usize, bool); 4] =
    [(16, 5, 26, 27, true), (10, 3, 22, 22, true), (7, 11, 29, 36, false), (17, 11, 28, 32, true)];

/// Where no part fits, the largest central one is taken whose proportion is allowed.
#[test]
fn nothing_fits() {
    let wide = ResizedCrop { area: [1.0, 1.0], ratio: [2.0, 3.0] };
    let tall = ResizedCrop { area: [1.0, 1.0], ratio: [0.25, 0.5] };
    for (resized, want) in [(wide, (12, 0, [24, 48])), (tall, (0, 12, [48, 24]))] {
        for view in views(resized, 1) {
            assert_eq!((view.top, view.left, view.resized_from.unwrap()), want);
        }
    }
}

/// The weighted mean of `values` by a triangle around `centre`.
fn bilinear(values: &[f64], centre: f64, scale: f64) -> f64 {
    let weight = |i: usize| (1.0 - ((i as f64 + 0.5 - centre) / scale.max(1.0)).abs()).max(0.0);
    let (sum, all) = values
        .iter()
        .enumerate()
        .fold((0.0, 0.0), |(sum, all), (i, value)| (sum + weight(i) * value, all + weight(i)));
    (sum / all).round()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What is in the batch is the part, resized as defined and mirrored: it reads no pixel outside
    /// of the part.
    #[test]
    fn a_resized_part(
        (height, width) in (1_usize..30, 1_usize..30),
        (top, left) in (0_usize..9, 0_usize..9),
        crop in [1_usize..20, 1_usize..20],
        flip: bool,
    ) {
        let (rows, columns) = (height + top + 3, width + left + 2);
        let value = |y: usize, x: usize, c: usize| ((y * 37 + x * 91 + c * 53) % 251) as u8;
        let data = (0..rows * columns * 3).map(|i| value(i / 3 / columns, i / 3 % columns, i % 3));
        let image = alexnet_data::Pixels::new(rows, columns, data.collect());
        let view = View { record: 0, top, left, resized_from: Some([height, width]), flip };
        let mut batch = Batch::new();
        batch.fill_image(&image, crop, &[view]).unwrap();
        let scale = [height as f64 / crop[0] as f64, width as f64 / crop[1] as f64];
        for (i, &got) in batch.pixels.iter().enumerate() {
            let (y, x, c) = (i / 3 / crop[1], i / 3 % crop[1], i % 3);
            let x = if flip { crop[1] - 1 - x } else { x };
            let row = |y: usize| {
                let row: Vec<f64> =
                    (0..width).map(|x| f64::from(value(top + y, left + x, c))).collect();
                bilinear(&row, (x as f64 + 0.5) * scale[1], scale[1])
            };
            let column: Vec<f64> = (0..height).map(row).collect();
            let want = bilinear(&column, (y as f64 + 0.5) * scale[0], scale[0]);
            prop_assert!((f64::from(got) - want).abs() <= 2.0, "{got}, want {want}");
        }
    }
}
