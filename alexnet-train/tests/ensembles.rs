//! Several networks as one, with their probabilities from the networks or from files.

#[allow(dead_code)] // nothing is trained here
mod common;

use std::path::Path;

use alexnet_data::{Dataset, Pixels, Split, Views};
use alexnet_model::{Network, NetworkSpec};
use alexnet_train::{
    ComputeDevice, Ensemble, Error, Evaluation, InputStage, Member, ProbabilitiesInfo, SavedMember,
    SavedProbabilities, classify, evaluate, evaluate_ensemble, save_probabilities,
};
use candle_core::Device;
use common::{dataset, recipe};

/// A network for crops of so many pixels, with weights drawn from `seed`, and its input.
fn network(data: &Dataset, side: usize, seed: u64) -> (Network, [InputStage; 1]) {
    let text = format!(
        r#"
name = "small"
input = [3, {side}, {side}]
layers = [
  {{ name = "conv1", kind = "conv", filters = 8, kernel = 5, init = {{std=0.01, bias=0}} }},
  {{ name = "relu1", kind = "relu" }},
  {{ name = "fc2", kind = "linear", outputs = 10, init = {{ std = 0.003, bias = 0.0 }} }},
]
"#
    );
    let spec = NetworkSpec::from_toml("small", &text).unwrap();
    let network = Network::new(&spec, seed, &Device::Cpu).unwrap();
    let (manifest, input) = (data.manifest(), recipe(&[]).input);
    let (mean, stored) = (&manifest.statistics.mean_image, [manifest.height, manifest.width]);
    let device = ComputeDevice::cpu();
    (network, [InputStage::new(&input, mean, stored, [side, side], &device).unwrap()])
}

fn member((network, inputs): &(Network, [InputStage; 1])) -> Member<'_> {
    Member { network, inputs }
}

fn ensemble<'a>(networks: Vec<Member<'a>>, saved: Vec<SavedProbabilities>) -> Ensemble<'a> {
    Ensemble { networks, saved }
}

/// Saves what an ensemble says of a split, with ten views.
fn save(path: &Path, data: &Dataset, split: &Split, mut ensemble: Ensemble<'_>) {
    let mut info = ProbabilitiesInfo::of(data, split).unwrap();
    for number in 0..ensemble.networks.len() {
        info.members.push(SavedMember { checkpoint: format!("network {number}"), views: 10 });
    }
    let labels: Vec<u32> = (0..split.len()).map(|i| split.label(i).unwrap()).collect();
    save_probabilities(path, &info, &labels, |file| {
        ensemble.predict(split, Views::Ten, 1, &mut |said| file.add(said.together))
    })
    .unwrap();
}

#[track_caller]
fn close(a: Evaluation, b: Evaluation) {
    assert!((a.loss - b.loss).abs() < 1e-6, "{a:?} {b:?}");
    assert_eq!((a.images, a.top1_error, a.top5_error), (b.images, b.top1_error, b.top5_error));
}

/// A member counts as when it is evaluated alone, and two of the same as one, to the bit.
#[test]
fn equal_members_are_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dataset::open(&dataset(folder.path(), 1, 14)).unwrap(); // 140 images, two batches
    let split = data.split("val").unwrap();
    let network = network(&data, 43, 1);
    let views = Views::Ten;
    let alone = evaluate(&network.0, split, &network.1, views, 1, &mut |_| ()).unwrap();
    let mut twice = ensemble(vec![member(&network), member(&network)], Vec::new());
    let mut seen = Vec::new();
    let (members, together) =
        evaluate_ensemble(&mut twice, split, views, 2, &mut |n| seen.push(n)).unwrap();
    assert_eq!(seen, [128, 140]);
    assert_eq!((members, together), (vec![alone, alone], alone));
}

/// Networks of different sizes, views of every kind: the mean of what each says of each view.
#[test]
fn members_and_views_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dataset::open(&dataset(folder.path(), 1, 1)).unwrap();
    let split = data.split("val").unwrap();
    let networks = [network(&data, 43, 1), network(&data, 46, 2), network(&data, 48, 3)];
    for (views, counts) in [
        (Views::One, [1, 1, 1]),
        (Views::Two, [2, 2, 2]),
        (Views::Nine, [9, 9, 9]),
        (Views::All, [72, 18, 2]),
    ] {
        let members: Vec<_> = networks.iter().map(member).collect();
        for (member, count) in members.iter().zip(counts) {
            assert_eq!(member.views(split, views).unwrap(), count);
        }
        let mut all = ensemble(members, Vec::new());
        let mut images = 0;
        all.predict(split, views, 1, &mut |said| {
            for (row, record) in said.records.clone().enumerate() {
                images += 1;
                let pixels = split.record(record).unwrap().pixels.into_owned();
                let image = Pixels::new(48, 48, pixels);
                let mut mean = [0.0; 10];
                for (place, (network, [input])) in networks.iter().enumerate() {
                    let slow = classify(network, input, &image, views).unwrap();
                    let own = &said.members[place][10 * row..][..10];
                    for (class, (p, slow)) in own.iter().zip(&slow).enumerate() {
                        assert!((p - slow).abs() < 1e-5, "{views:?} {place}: {p} {slow}");
                        mean[class] += slow / 3.0;
                    }
                }
                let together = &said.together[10 * row..][..10];
                for (p, slow) in together.iter().zip(mean) {
                    assert!((p - slow).abs() < 1e-5, "{views:?}: {p} {slow}");
                }
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(images, 10);
    }
}

/// Saved and combined, with others or with networks, members count as they do directly; a file of
/// two networks counts as two.
#[test]
fn saved_members_count_as_networks() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dataset::open(&dataset(folder.path(), 1, 14)).unwrap();
    let split = data.split("val").unwrap();
    let networks = [network(&data, 43, 1), network(&data, 46, 2), network(&data, 43, 3)];
    let [a, b, c] = networks.each_ref().map(member);
    let path = |name: &str| folder.path().join(name);
    save(&path("ab"), &data, split, ensemble(vec![a, b], Vec::new()));
    save(&path("c"), &data, split, ensemble(vec![c], Vec::new()));
    let open = |name: &str| {
        let file = SavedProbabilities::open(&path(name)).unwrap();
        file.check_split(&data, split).unwrap();
        file
    };
    let evaluated = |mut ensemble: Ensemble<'_>| {
        evaluate_ensemble(&mut ensemble, split, Views::Ten, 1, &mut |_| ()).unwrap()
    };
    let (direct, want) = evaluated(ensemble(vec![a, b, c], Vec::new()));
    let (alone, files) = evaluated(ensemble(Vec::new(), vec![open("ab"), open("c")]));
    let (mixed, both) = evaluated(ensemble(vec![c], vec![open("ab")]));
    close(files, want);
    close(both, want);
    close(alone[1], direct[2]);
    assert_eq!(mixed[0], direct[2]);
    assert_eq!(mixed[1], alone[0]);
    // A file can be read again.
    let mut again = ensemble(Vec::new(), vec![open("c")]);
    let twice =
        [0; 2].map(|_| evaluate_ensemble(&mut again, split, Views::Ten, 1, &mut |_| ()).unwrap().1);
    assert_eq!(twice[0], twice[1]);
}

/// Every byte of a file is under a checksum, and files of other images are told apart.
#[test]
fn damaged_and_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dataset::open(&dataset(folder.path(), 1, 1)).unwrap();
    let [train, val] = ["train", "val"].map(|name| data.split(name).unwrap());
    let network = network(&data, 43, 1);
    let path = folder.path().join("val");
    save(&path, &data, val, ensemble(vec![member(&network)], Vec::new()));
    let read = |path: &Path| {
        let file = SavedProbabilities::open(path)?;
        let mut images = 0;
        ensemble(Vec::new(), vec![file]).combine(&mut |said| {
            images += said.labels.len();
            Ok(())
        })?;
        Ok::<usize, Error>(images)
    };
    assert_eq!(read(&path).unwrap(), 10);
    let whole = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&damaged, &bytes).unwrap();
        assert!(read(&damaged).is_err(), "byte {at} may be anything");
    }
    for length in [0, 7, 8, 100, whole.len() - 1] {
        std::fs::write(&damaged, &whole[..length]).unwrap();
        assert!(read(&damaged).is_err(), "{length}");
    }

    let other = folder.path().join("train");
    save(&other, &data, train, ensemble(vec![member(&network)], Vec::new()));
    let [first, second] = [&path, &other].map(|path| SavedProbabilities::open(path).unwrap());
    let refused = |error: Result<(), Error>, words: [&str; 3]| {
        let error = error.unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "no {word} in {error}"));
    };
    refused(second.check_same(&first), ["train: its split is `train`", "`val`", "val: combine"]);
    refused(second.check_split(&data, val), ["train: its split", "`val`", "data"]);

    // The same split of a dataset with other images, and what is not all of the images.
    let elsewhere = tempfile::tempdir().unwrap();
    let data = Dataset::open(&dataset(elsewhere.path(), 2, 1)).unwrap();
    refused(
        first.check_split(&data, data.split("val").unwrap()),
        ["its dataset is", "crc32", "data"],
    );
    let info = ProbabilitiesInfo {
        members: first.info().members.clone(),
        ..ProbabilitiesInfo::of(&data, data.split("val").unwrap()).unwrap()
    };
    for (images, word) in [(9, "missing"), (11, "more probabilities")] {
        let half = folder.path().join("half");
        let saved = save_probabilities(&half, &info, first.labels(), |file| {
            file.add(&vec![0.1; images * 10])
        });
        assert!(saved.unwrap_err().to_string().contains(word));
        assert!(!half.exists());
    }
    // Labels, classes and their number.
    let changed = |change: &dyn Fn(&mut ProbabilitiesInfo, &mut Vec<u32>), what: &str| {
        let (mut info, mut labels) = (first.info().clone(), first.labels().to_vec());
        change(&mut info, &mut labels);
        let path = folder.path().join("changed");
        save_probabilities(&path, &info, &labels, |file| {
            file.add(&vec![0.1; labels.len() * info.classes.len()])
        })
        .unwrap();
        let file = SavedProbabilities::open(&path).unwrap();
        refused(file.check_same(&first), ["changed: its", what, "combine"]);
    };
    changed(&|_, labels| labels.swap(0, 9), "class of image 1 is `9`, but `0`");
    changed(&|_, labels| labels.truncate(9), "number of images is `9`");
    changed(&|info, _| info.classes[4].name = "zebra".to_owned(), "`zebra`");
    changed(&|info, _| info.classes.push(alexnet_data::Class::named("zebra")), "number of classes");
}
