//! The demo images are the same every time, and their colours do not reveal their class.

mod common;

use alexnet_data::{Dataset, DemoOptions, Error, Source, Split, draw_demo};
use common::{contents, options, put, run};
use std::fs;

const SMALL: DemoOptions =
    DemoOptions { image_size: 40, train_per_class: 2, val_per_class: 1, seed: 3 };

/// The same options give the same files. A complete tree stays as it is, an incomplete one is drawn
/// again, and a folder with other files is refused.
#[test]
fn drawn_once_and_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    draw_demo(&a, &SMALL, &|_| ()).unwrap();
    draw_demo(&b, &DemoOptions { train_per_class: 1, ..SMALL }, &|_| ()).unwrap();
    assert_eq!(fs::read_dir(a.join("train")).unwrap().count(), 10);
    let (first, second) =
        (contents(&a.join("train/striped-star")), contents(&b.join("train/striped-star")));
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(first[0], second[0], "an image does not depend on how many there are");
    assert_ne!(first[0].1, first[1].1);
    assert_ne!(first[0].1, contents(&a.join("val/striped-star"))[0].1);

    // A complete tree stays as it is, even if a file was changed; an incomplete one is drawn again.
    let path = a.join("train/striped-star/0000.jpg");
    fs::write(&path, b"mine").unwrap();
    draw_demo(&a, &SMALL, &|_| ()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    let marker = fs::read_to_string(a.join("demo.json")).unwrap();
    fs::write(a.join("demo.json"), marker.replace("true", "false")).unwrap();
    draw_demo(&a, &SMALL, &|_| ()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first[0].1);

    put(dir.path(), "other/file", b"x");
    let error = draw_demo(&dir.path().join("other"), &SMALL, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    assert!(draw_demo(&b, &DemoOptions { image_size: 5, ..SMALL }, &|_| ()).is_err());
}

/// Mean R, G, B of a record, their squares and products, and 1, on a scale of about 1.
fn features(pixels: &[u8]) -> [f64; 10] {
    let n = (pixels.len() / 3) as f64;
    let mean = |c: usize| {
        pixels.iter().skip(c).step_by(3).map(|&v| f64::from(v)).sum::<f64>() / n / 64.0 - 2.0
    };
    let [r, g, b] = [mean(0), mean(1), mean(2)];
    [1.0, r, g, b, r * r, g * g, b * b, r * g, g * b, r * b]
}

/// Solves A·x = b for a symmetric positive definite A by Gaussian elimination.
fn solve(mut a: [[f64; 10]; 10], mut b: [[f64; 10]; 10]) -> [[f64; 10]; 10] {
    for i in 0..10 {
        for j in (0..10).filter(|&j| j != i) {
            let t = a[j][i] / a[i][i];
            for k in 0..10 {
                a[j][k] -= t * a[i][k];
                b[j][k] -= t * b[i][k];
            }
        }
    }
    for i in 0..10 {
        b[i] = b[i].map(|v| v / a[i][i]);
    }
    b
}

/// A ridge classifier on mean colours, their squares and products stays above 60 % error (90 % is
/// chance): colour does not reveal the class.
#[test]
fn mean_colours_do_not_reveal_the_class() {
    let dir = tempfile::tempdir().unwrap();
    let (images, output) = (dir.path().join("images"), dir.path().join("set"));
    let demo = DemoOptions { image_size: 48, train_per_class: 150, val_per_class: 60, seed: 1 };
    draw_demo(&images, &demo, &|_| ()).unwrap();
    run(&options(&images, &output, 40)).unwrap();
    let dataset = Dataset::open(&output).unwrap();
    let all = |split: &Split| -> Vec<(usize, [f64; 10])> {
        let record = |i| split.record(i).unwrap();
        (0..split.len()).map(|i| (record(i).label as usize, features(&record(i).pixels))).collect()
    };
    let (mut a, mut b) = ([[0.0; 10]; 10], [[0.0; 10]; 10]);
    (0..10).for_each(|i| a[i][i] = 1e-3);
    for (label, x) in all(dataset.split("train").unwrap()) {
        for i in 0..10 {
            (0..10).for_each(|j| a[i][j] += x[i] * x[j]);
            b[i][label] += x[i];
        }
    }
    let weights = solve(a, b);
    let val = all(dataset.split("val").unwrap());
    let wrong = val.iter().filter(|(label, x)| {
        let score = |class: &usize| (0..10).map(|i| x[i] * weights[i][*class]).sum::<f64>();
        (0..10).max_by(|a, b| score(a).total_cmp(&score(b))) != Some(*label)
    });
    let error = 100.0 * wrong.count() as f64 / val.len() as f64;
    assert!(error > 60.0, "{error} % error from mean colours alone");
}

/// `Source::Demo` is `Source::Folder` on the drawn tree; its images are those of `draw_demo`.
#[test]
fn prepared_like_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    draw_demo(&images, &SMALL, &|_| ()).unwrap();
    let output = dir.path().join("set");
    let summary = run(&options(&images, &output, 32)).unwrap();
    assert_eq!((summary.images, summary.classes, summary.ignored), (30, 10, 0));
    assert_eq!(Source::Demo.default_size(), 72);
    let names: Vec<_> =
        Dataset::open(&output).unwrap().manifest().classes.iter().map(|c| c.name.clone()).collect();
    assert_eq!(names[..2], ["dotted-cross", "dotted-disc"]);
    assert_eq!(names[9], "striped-triangle");
}
