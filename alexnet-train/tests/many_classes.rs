//! Thousands of classes: a dataset of as many is prepared, trained on and evaluated.

#[allow(dead_code)] // only `job` and `recipe`
mod common;

use alexnet_data::{Dataset, PrepareOptions, Source, prepare};
use alexnet_model::NetworkSpec;
use alexnet_train::{Checkpoint, Task, train};
use common::{job, recipe};

const CLASSES: usize = 3_000;

/// A BMP file of 8 × 8 pixels of one colour.
fn bitmap([r, g, b]: [u8; 3]) -> Vec<u8> {
    let (pixels, head) = ([b, g, r].repeat(64), 54u32);
    let numbers = [head + 192, 0, head, 40, 8, 8, 1 | 24 << 16, 0, 192, 0, 0, 0, 0];
    let numbers = numbers.iter().flat_map(|n: &u32| n.to_le_bytes());
    b"BM".iter().copied().chain(numbers).chain(pixels).collect()
}

#[test]
fn thousands_of_classes_are_prepared_trained_on_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let (images, data) = (folder.path().join("images"), folder.path().join("data"));
    for class in 0..CLASSES {
        // Each class is one colour; 20 are in the validation split.
        let colour = [class % 15, class / 15 % 15, class / 225].map(|c| (17 * c) as u8);
        for split in ["train", "val"].iter().take(if class < 20 { 2 } else { 1 }) {
            let of_class = images.join(split).join(format!("n{class:08}"));
            std::fs::create_dir_all(&of_class).unwrap();
            std::fs::write(of_class.join("0.bmp"), bitmap(colour)).unwrap();
        }
    }
    let options = PrepareOptions::new(Source::Folder, &images, &data);
    prepare(&PrepareOptions { size: 8, ..options }, &|_| ()).unwrap();
    let dataset = Dataset::open(&data).unwrap();
    assert_eq!(dataset.manifest().classes.len(), CLASSES);
    assert_eq!(dataset.split("train").unwrap().images_per_class().len(), CLASSES);

    let network = r#"name = "colours"
        input = [3, 8, 8]
        layers = [
          { name = "fc1", kind = "linear", outputs = 16, init = { std = 0.01, bias = 0.0 } },
          { name = "relu1", kind = "relu" },
          { name = "fc2", kind = "linear", outputs = 2, init = { std = 0.01, bias = 0.0 } },
        ]"#;
    let rates = [("batch", "128"), ("epochs", "1"), ("weights.rate", "1e-4"), ("layers", "{}")];
    let mut job = job(&data, &folder.path().join("run"), recipe(&rates));
    if let Task::Start { network: old, .. } = &mut job.task {
        **old = NetworkSpec::from_toml("colours", network).unwrap();
    }
    let ended = train(&job, &mut |_| ()).unwrap();
    let scores = ended.scores().unwrap();
    assert_eq!((scores[0].images, scores[0].views), (20, 1));
    // So many classes are not learned in an epoch, but the loss is near that of guessing.
    let guessing = (CLASSES as f64).ln();
    assert!((scores[0].loss - guessing).abs() < 0.5, "{} {guessing}", scores[0].loss);
    let checkpoint = Checkpoint::load(&job.run.weights()).unwrap();
    assert_eq!(checkpoint.classes.len(), CLASSES);
    assert_eq!(checkpoint.network.classes(), Some(CLASSES));
}
