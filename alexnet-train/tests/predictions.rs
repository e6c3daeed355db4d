//! Predictions of many images: in their order, bad ones among them, for every number of threads and
//! views, and with few of them in memory.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use alexnet_data::{ImageFiles, Views, test_views};
use alexnet_model::Network;
use alexnet_train::{
    Checkpoint, ComputeDevice, Error, ImageSource, InputStage, Looking, Prediction, classify,
    input_maps, predict_images, train,
};
use common::{dataset, job, recipe};

/// A trained network with its input and its files: 140 images, more than a batch.
fn trained(folder: &Path) -> (Network, InputStage, Checkpoint, Vec<PathBuf>) {
    let data = dataset(folder, 13, 1);
    let job = job(&data, &folder.join("run"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    let checkpoint = Checkpoint::load(&job.run.weights()).unwrap();
    let input = checkpoint.input(&job.run.weights(), &ComputeDevice::cpu()).unwrap();
    let files = ImageFiles::new(&folder.join("images"));
    let files = files.collect::<Result<Vec<_>, _>>().unwrap();
    (checkpoint.network().unwrap(), input, checkpoint, files)
}

#[test]
fn they_come_in_order_whatever_the_threads_and_views() {
    let folder = tempfile::tempdir().unwrap();
    let (network, input, checkpoint, mut files) = trained(folder.path());
    assert_eq!(files.len(), 140);
    fs::write(&files[3], b"no image").unwrap();
    files.insert(70, folder.path().join("nowhere.jpg"));
    let predict = |views, loader_threads| {
        let looking = Looking { preprocessing: checkpoint.preprocessing, views, loader_threads };
        let images = files.iter().map(|path| match path.to_str() {
            Some(text) if text.ends_with("0001.jpg") => Err(Error::Stopped), // one of the list's
            _ => Ok(ImageSource::from(path.clone())),
        });
        let mut found = Vec::new();
        predict_images(&network, &input, looking, images, &mut |prediction| {
            found.push(prediction);
            Ok(())
        })
        .unwrap();
        found
    };
    let mut decoder = checkpoint.preprocessing.decoder();
    for views in [Views::One, Views::Nine, Views::Ten, Views::All] {
        let found = predict(views, 1);
        assert_eq!(found.len(), files.len());
        for (n, (prediction, path)) in found.iter().zip(&files).enumerate() {
            match prediction {
                Err(Error::Image { path: bad, .. }) => assert!(n == 3 && bad == path),
                Err(Error::Io { path: bad, .. }) => assert!(n == 70 && bad == path),
                Err(error) => {
                    assert!(path.ends_with("0001.jpg") && matches!(error, Error::Stopped));
                }
                Ok(Prediction { source, pixels, probabilities }) => {
                    assert_eq!((source.path(), n == 3), (path.as_path(), false));
                    assert_eq!(*pixels, source.decode(&mut decoder).unwrap());
                    // A dense layer may be rounded otherwise for another number of images.
                    if n % 20 == 0 {
                        let alone = classify(&network, &input, pixels, views).unwrap();
                        let pairs = alone.iter().zip(probabilities);
                        let far = pairs.fold(0f64, |far, (a, b)| far.max((a - b).abs()));
                        assert!(far < 1e-5, "{n}, {views:?}: {far:e}");
                    }
                }
            }
        }
        let bits = |found: Vec<Result<Prediction, Error>>| -> Vec<Option<Vec<u64>>> {
            let bits = |p: Prediction| p.probabilities.into_iter().map(f64::to_bits).collect();
            found.into_iter().map(|prediction| prediction.ok().map(bits)).collect()
        };
        assert!(bits(found) == bits(predict(views, 4)), "{views:?}");
    }
}

/// An iterator without an end: few of its images are drawn before they are predicted.
#[test]
fn few_images_are_ahead() {
    const THREADS: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let (network, input, checkpoint, files) = trained(folder.path());
    let (preprocessing, views) = (checkpoint.preprocessing, Views::One);
    let looking = Looking { preprocessing, views, loader_threads: THREADS };
    let drawn = AtomicUsize::new(0);
    let images = files.iter().cycle().map(|path| {
        drawn.fetch_add(1, Ordering::Relaxed);
        Ok(ImageSource::from(path.clone()))
    });
    let (mut seen, mut most) = (0, 0);
    let ended = predict_images(&network, &input, looking, images, &mut |prediction| {
        prediction?;
        seen += 1;
        most = most.max(drawn.load(Ordering::Relaxed) - seen);
        if seen == 2_000 { Err(Error::Stopped) } else { Ok(()) }
    });
    assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
    // A batch, and for each thread two jobs that are ready, one in work and one that waits.
    assert!(most <= 128 + THREADS * 4 * 5, "{most} images ahead");
}

/// What the network sees of a view is its pixels less the mean.
#[test]
fn input_maps_are_the_networks_input() {
    let folder = tempfile::tempdir().unwrap();
    let (network, input, checkpoint, files) = trained(folder.path());
    let source = ImageSource::from(files[0].clone());
    let image = source.decode(&mut checkpoint.preprocessing.decoder()).unwrap();
    let [_, h, w] = network.spec().input;
    let views = test_views([image.height, image.width], [h, w], Views::Ten).unwrap();
    let maps = input_maps(&network, &input, &image, &views).unwrap();
    assert_eq!((maps.len(), maps[0].channels.len()), (10, 3));
    assert_eq!([maps[0].height, maps[0].width], [h, w]);
    // The same place of the same image and mean window differs by the pixels alone.
    let pixel = |view: usize, y: usize, x: usize, c: usize| {
        let v = views[view];
        let x = if v.flip { w - 1 - x } else { x };
        f32::from(image.data[((v.top + y) * image.width + v.left + x) * 3 + c])
    };
    let mean = |view: usize| pixel(view, 9, 4, 1) - maps[view].channels[1][9 * w + 4];
    let means: Vec<f32> = (0..10).map(mean).collect();
    assert!(means.iter().all(|m| (m - means[0]).abs() < 1e-3), "{means:?}");
    assert!((20.0..235.0).contains(&means[0]), "{means:?}");
}
