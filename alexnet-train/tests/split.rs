//! Runs of a network that is split over two devices give the losses of one device, and files that
//! either can resume.

mod common;

use std::fs;
use std::path::Path;

use alexnet_train::{Checkpoint, ComputeDevice, Event, Job, Task, train};
use candle_core::Tensor;
use common::{dataset, job, recipe, train_until};

fn on(devices: usize, job: Job) -> Job {
    Job { devices: vec![ComputeDevice::cpu(); devices], ..job }
}

/// The loss of each step of `job`.
fn losses(job: &Job) -> Vec<f32> {
    let mut losses = Vec::new();
    train(job, &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(*loss);
        }
    })
    .unwrap();
    losses
}

/// The final weights of two runs agree to the rounding that a few steps gather.
fn assert_alike(a: &Job, b: &Job) {
    let tensors = |job: &Job| {
        let checkpoint = Checkpoint::load(&job.run.weights()).unwrap();
        checkpoint.network().unwrap().tensors().unwrap()
    };
    let (a, b) = (tensors(a), tensors(b));
    let largest = |t: &Tensor| t.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert_eq!(a.len(), b.len());
    for (name, a) in &a {
        let far = largest(&(a - &b[name]).unwrap()) / largest(a);
        assert!(far < 1e-3, "{name}: {far}");
    }
}

#[test]
fn a_split_run_goes_as_one_on_one_device() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 7, 2);
    let run = |name: &str, devices| on(devices, job(&data, &folder.path().join(name), recipe(&[])));
    let (one, split) = (run("one", 1), run("split", 2));
    let (want, got) = (losses(&one), losses(&split));
    assert_eq!(want.len(), got.len());
    for (step, (want, got)) in want.iter().zip(&got).enumerate() {
        assert!((want - got).abs() < 1e-3 * want, "step {step}: {got}, on one device {want}");
    }
    assert_alike(&one, &split);

    let log = fs::read_to_string(split.run.log()).unwrap();
    let line = log.lines().find(|line| line.contains(r#""event":"split""#)).unwrap();
    assert!(line.contains(r#""devices":2,"crossings":["conv3","fc4","fc5"]"#), "{line}");
    assert!(!fs::read_to_string(one.run.log()).unwrap().contains("split"));
}

#[test]
fn the_same_split_run_twice_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 7, 2);
    let weights = |name: &str, threads| {
        let job = on(2, job(&data, &folder.path().join(name), recipe(&[])));
        let job = Job { loader_threads: threads, ..job };
        train(&job, &mut |_| ()).unwrap();
        fs::read(job.run.weights()).unwrap()
    };
    assert!(weights("a", 1) == weights("b", 3));
}

/// Where nothing is learnt, and so nothing rounded, the files are the same to the byte.
#[test]
fn the_files_of_a_split_run_are_those_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let still = [
        ("epochs", "1"),
        ("weights.rate", "0.0"),
        ("biases.rate", "0.0"),
        ("schedule.changes", "[]"),
    ];
    let weights = |name: &str, devices| {
        let mut job = on(devices, job(&data, &folder.path().join(name), recipe(&still)));
        if let Task::Start { recipe, .. } = &mut job.task {
            recipe.layers.clear(); // they have rates of their own
        }
        train(&job, &mut |_| ()).unwrap();
        fs::read(job.run.weights()).unwrap()
    };
    assert!(weights("one", 1) == weights("split", 2));
}

/// A run cut off in the middle of an epoch goes on in the other way of placing its network.
#[test]
fn runs_are_resumed_across_placements() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 7, 2);
    let path = |name: &str| folder.path().join(name);
    for (first, then) in [(1, 2), (2, 1), (2, 2)] {
        let names = [format!("whole-{first}-{then}"), format!("cut-{first}-{then}")];
        let whole = on(first, job(&data, &path(&names[0]), recipe(&[])));
        train(&whole, &mut |_| ()).unwrap();
        let cut = path(&names[1]);
        train_until(on(first, job(&data, &cut, recipe(&[]))), (1, 1));
        let resumed = on(then, resume(&data, &cut));
        train(&resumed, &mut |_| ()).unwrap();
        assert_alike(&whole, &resumed);
        if first == then {
            let bytes = |job: &Job| fs::read(job.run.weights()).unwrap();
            assert!(bytes(&whole) == bytes(&resumed));
        }
    }
}

fn resume(data: &Path, run: &Path) -> Job {
    Job { task: Task::resume(None), ..job(data, run, recipe(&[])) }
}

#[test]
fn a_network_of_one_tower_is_not_split() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let run = folder.path().join("run");
    let mut job = on(2, job(&data, &run, recipe(&[])));
    if let Task::Start { network, .. } = &mut job.task {
        network.towers = 1;
    }
    let error = train(&job, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("has 1 tower(s), but 2 devices are named"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!run.exists(), "a run that cannot begin leaves nothing");
}
