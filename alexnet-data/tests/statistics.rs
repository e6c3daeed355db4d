//! The statistics of a dataset agree with their definitions, whatever its images.

mod common;

use alexnet_data::{Dataset, Error, GivenStatistics, MeanImage, PrepareOptions, Statistics};
use common::{options, png, put, run};
use image::ExtendedColorType::Rgb8;
use proptest::prelude::*;

const SIDE: usize = 3;
const VALUES: usize = SIDE * SIDE * 3;

/// The statistics of these images, prepared by so many threads in shards of so many images.
fn statistics(images: &[Vec<u8>], threads: usize, shard_records: usize) -> Statistics {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    for (i, image) in images.iter().enumerate() {
        put(&input, &format!("a/{i:03}.png"), &png(image, SIDE, SIDE, Rgb8));
    }
    let options = options(&input, &output, SIDE);
    run(&PrepareOptions { threads, shard_records: Some(shard_records), ..options }).unwrap();
    Dataset::open(&output).unwrap().manifest().statistics.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The means and the covariance are those of all pixels, and the eigenvectors v of the
    /// covariance A are orthonormal with A·v = λ·v, in descending order and with fixed signs; also
    /// of grey images and images of one colour, where eigenvalues are equal or zero.
    #[test]
    fn definitions(
        mut images in prop::collection::vec(prop::collection::vec(any::<u8>(), VALUES), 1..7),
        kind in 0..4,
        shard_records in 1usize..4,
    ) {
        for pixel in images.iter_mut().flat_map(|image| image.chunks_exact_mut(3)) {
            match kind {
                0 => pixel.fill(pixel[0]),
                1 => pixel.copy_from_slice(&[9, 200, 31]),
                _ => {}
            }
        }
        let got = statistics(&images, 2, shard_records);
        prop_assert_eq!((got.images, got.mean_image.len()), (images.len() as u64, VALUES));
        for (i, mean) in got.mean_image.iter().enumerate() {
            let sum: f64 = images.iter().map(|image| f64::from(image[i])).sum();
            prop_assert_eq!(*mean, (sum / images.len() as f64) as f32);
        }
        let pixels: Vec<[f64; 3]> = images
            .iter()
            .flat_map(|i| i.chunks_exact(3).map(|p| [p[0], p[1], p[2]].map(f64::from)))
            .collect();
        let n = pixels.len() as f64;
        let mean = [0, 1, 2].map(|c: usize| pixels.iter().map(|p| p[c]).sum::<f64>() / n);
        for c in 0..3 {
            prop_assert!((mean[c] - got.channel_mean[c]).abs() < 1e-9);
            for d in 0..3 {
                let products = pixels.iter().map(|p| (p[c] - mean[c]) * (p[d] - mean[d]));
                prop_assert!((products.sum::<f64>() / n - got.covariance[c][d]).abs() < 1e-8);
            }
        }
        let (values, vectors) = (got.eigenvalues, got.eigenvectors);
        prop_assert!(values[0] >= values[1] && values[1] >= values[2], "{:?}", values);
        let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for i in 0..3 {
            for (row, component) in got.covariance.into_iter().zip(vectors[i]) {
                prop_assert!((dot(row, vectors[i]) - values[i] * component).abs() < 1e-8);
            }
            for j in 0..3 {
                let want = f64::from(u8::from(i == j));
                prop_assert!((dot(vectors[i], vectors[j]) - want).abs() < 1e-12);
            }
            prop_assert!(vectors[i].iter().find(|x| **x != 0.0).unwrap() > &0.0);
        }
        // JSON keeps every bit, and knows no other fields.
        let text = serde_json::to_string(&got).unwrap();
        prop_assert_eq!(serde_json::from_str::<Statistics>(&text).unwrap(), got);
        prop_assert!(serde_json::from_str::<Statistics>(&text.replace("images", "no")).is_err());
    }
}

/// No sum overflows: hundreds of white images, in one shard and in several, by one thread and by
/// several.
#[test]
fn white_stays_white() {
    let images = vec![vec![255; VALUES]; 800];
    for (threads, shard_records) in [(1, 800), (3, 800), (1, 300), (2, 270)] {
        let got = statistics(&images, threads, shard_records);
        assert_eq!((got.images, got.mean_image), (800, vec![255.0; VALUES]));
        assert_eq!((got.channel_mean, got.covariance), ([255.0; 3], [[0.0; 3]; 3]));
    }
}

/// What is given takes the place of a dataset's own statistics, and the rest stays.
#[test]
fn given_statistics() {
    let own = statistics(&[(0..VALUES as u8).collect(), vec![9; VALUES]], 1, 2);
    let (values, turned) =
        ([30.0, 20.0, 10.0], [[0.0, 1.0, 0.0], [0.6, 0.0, 0.8], [-0.8, 0.0, 0.6]]);
    let nothing = GivenStatistics::default();
    assert_eq!(nothing.in_place_of(&own).unwrap(), own);
    let mean = GivenStatistics { mean: Some([1.0, 2.0, 3.0]), ..nothing.clone() };
    let got = mean.in_place_of(&own).unwrap();
    assert_eq!((got.channel_mean, &got.mean_image[..3]), ([1.0, 2.0, 3.0], &[1.0, 2.0, 3.0][..]));
    assert_eq!((got.covariance, got.mean_image.len()), (own.covariance, VALUES));
    let image: Vec<f32> = (0..VALUES).map(|i| i as f32).collect();
    let given = GivenStatistics { mean_image: Some(MeanImage(image.clone())), ..nothing.clone() };
    let got = given.in_place_of(&own).unwrap();
    assert_eq!((got.channel_mean, got.mean_image), ([12.0, 13.0, 14.0], image));
    let axes = GivenStatistics {
        eigenvalues: Some(values),
        eigenvectors: Some(turned),
        ..nothing.clone()
    };
    let got = axes.in_place_of(&own).unwrap();
    assert_eq!((got.eigenvalues, got.eigenvectors), (values, turned));
    // Σ λ v vᵀ
    let want =
        [[0.36 * 20.0 + 6.4, 0.0, 9.6 - 4.8], [0.0, 30.0, 0.0], [9.6 - 4.8, 0.0, 12.8 + 3.6]];
    for (got, want) in got.covariance.as_flattened().iter().zip(want.as_flattened()) {
        assert!((got - want).abs() < 1e-12);
    }
    let small = GivenStatistics { mean_image: Some(MeanImage(vec![1.0; 3])), ..nothing };
    assert!(matches!(small.in_place_of(&own), Err(Error::Setting { name: "mean_image", .. })));
    for given in [mean, given, axes] {
        let text = serde_json::to_vec(&given).unwrap();
        assert_eq!(GivenStatistics::from_json("f".as_ref(), &text).unwrap(), given);
    }
}

/// What cannot be is named with its file, in one line.
#[test]
fn wrong_statistics() {
    let axes = r#""eigenvectors": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]"#;
    for (text, problem) in [
        ("{", "are no statistics"),
        (r#"{"men": [1, 2, 3]}"#, "unknown field `men`"),
        (r#"{"mean": [1, 2, 300]}"#, "mean that is not"),
        (r#"{"mean": [1, 2, -0.1]}"#, "mean that is not"),
        (r#"{"mean": [1, 2, 1e999]}"#, "are no statistics"),
        (r#"{"mean": [1, 2, 3], "mean_image": "AAAA"}"#, "whole number"),
        (r#"{"mean": [1, 2, 3], "mean_image": "AACAPw=="}"#, "both mean and mean_image"),
        (r#"{"mean_image": "AACAfw=="}"#, "mean_image that is not"), // infinity
        (r#"{"eigenvalues": [3, 2, 1]}"#, "alone"),
        (&format!("{{{axes}}}"), "alone"),
        (&format!(r#"{{"eigenvalues": [3, 2, -1], {axes}}}"#), "eigenvalues that are not"),
        (&format!(r#"{{"eigenvalues": [5e4, 2, 1], {axes}}}"#), "eigenvalues that are not"),
        (
            r#"{"eigenvalues": [3, 2, 1], "eigenvectors": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]}"#,
            "2.000",
        ),
    ] {
        let error = GivenStatistics::from_json("given.json".as_ref(), text.as_bytes());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("given.json") && error.contains(problem), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
