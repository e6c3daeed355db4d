//! Experiments: what is compared is what was trained, finished runs are kept, stopped ones go on,
//! and neither the number of jobs nor that of threads changes a bit.

#[allow(dead_code)] // an experiment makes its own jobs
mod common;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use alexnet_data::Views;
use alexnet_model::NetworkSpec;
use alexnet_train::{
    Arm, ArmProgress, ComputeDevice, Error, Event, Experiment, Factor, Outcome, RunState, Stop,
};
use common::{dataset, recipe};

/// The network of the self-test and what it is without some of its layers, with two seeds.
fn experiment(folder: &Path, data: &Path, changes: &[(&str, &str)]) -> Experiment {
    let network = include_str!("../src/selftest/network.toml");
    let network = NetworkSpec::from_toml("test", network).unwrap();
    let base = Arm::base(network, recipe(changes));
    let mut arms = vec![base];
    for factor in ["dropout", "decay"] {
        arms.extend(Factor::preset(factor).unwrap().arms_of(&arms[0]).unwrap());
    }
    Experiment {
        folder: folder.to_owned(),
        data: data.to_owned(),
        arms,
        seeds: vec![3, 4],
        split: "val".to_owned(),
        views: Views::Two,
        jobs: 1,
        threads: 1,
        devices: vec![ComputeDevice::cpu()],
        stop: Stop::default(),
    }
}

/// Runs it, and gives what it found with the runs that were trained.
fn run(experiment: &Experiment) -> (Outcome, Vec<String>) {
    let trained = Mutex::new(Vec::new());
    let outcome = experiment.run(&|event| {
        if matches!(event.progress, ArmProgress::Training(Event::Start { .. })) {
            trained.lock().unwrap().push(format!("{} {}", event.arm.name, event.seed));
        }
    });
    (outcome.unwrap(), trained.into_inner().unwrap())
}

/// Each run under way is saved, none is begun, and all of it goes on as if nothing had been.
#[test]
fn an_experiment_that_is_stopped_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 3);
    let (whole, _) = run(&experiment(&folder.path().join("whole"), &data, &[]));
    let mut cut = experiment(&folder.path().join("cut"), &data, &[]);
    let flag = cut.stop.request("the test");
    let ended = cut.run(&|event| {
        let is_second = event.arm.name != "base";
        let is_step = matches!(event.progress, ArmProgress::Training(Event::Step { step: 1, .. }));
        flag.fetch_or(is_second && is_step, Ordering::Relaxed);
    });
    assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
    let states: Vec<RunState> = cut.check().unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states[..2], [RunState::Trained, RunState::Begun]);
    assert_eq!(states[2..], [RunState::New; 4]);
    cut.stop = Stop::default();
    let (outcome, trained) = run(&cut);
    assert_eq!((outcome, trained.len()), (whole, 5));
}

#[test]
fn what_is_finished_is_kept_and_jobs_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 3);
    let first = experiment(&folder.path().join("a"), &data, &[]);
    let states = |experiment: &Experiment| -> Vec<RunState> {
        experiment.check().unwrap().iter().map(|run| run.state).collect()
    };
    assert_eq!(states(&first), [RunState::New; 6]);
    assert!(!first.folder.exists(), "a check writes nothing");
    let (outcome, trained) = run(&first);
    let all = ["base 3", "no-dropout 3", "no-decay 3", "base 4", "no-dropout 4", "no-decay 4"];
    assert_eq!(trained, all);
    assert_eq!(states(&first), [RunState::Trained; 6]);

    // Again: nothing is trained, and the same is found.
    assert_eq!(run(&first), (outcome.clone(), Vec::new()));

    // With two jobs: the same, and the same weights to the byte.
    let mut second = experiment(&folder.path().join("b"), &data, &[]);
    (second.jobs, second.threads) = (2, 4);
    let (found, mut trained) = run(&second);
    trained.sort();
    assert_eq!(trained.len(), 6);
    assert_eq!(found, outcome);
    for arm in &first.arms {
        let weights = |e: &Experiment| std::fs::read(e.run_folder(arm, 4).weights()).unwrap();
        assert!(weights(&first) == weights(&second), "{}", arm.name);
    }

    // A run of which only the beginning is there is trained again, and nothing else.
    let lost = second.run_folder(&second.arms[1], 4);
    for file in [lost.weights(), lost.checkpoint()] {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::remove_file(lost.path().join("val-2-views.safetensors")).unwrap();
    assert_eq!(run(&second), (outcome, vec!["no-dropout 4".to_owned()]));
}

/// The errors are those of an evaluation of the weights, and the differences those of the errors.
#[test]
fn the_outcome_is_that_of_the_trained_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 3);
    let experiment = experiment(&folder.path().join("a"), &data, &[]);
    let (outcome, _) = run(&experiment);
    let data = alexnet_data::Dataset::open(&data).unwrap();
    for (arm, found) in experiment.arms.iter().zip(&outcome.arms) {
        assert_eq!((&arm.name, &found.seeds), (&found.name, &experiment.seeds));
        for (seed, error) in experiment.seeds.iter().zip(&found.top1.errors) {
            let weights = experiment.run_folder(arm, *seed).weights();
            let checkpoint = alexnet_train::Checkpoint::load(&weights).unwrap();
            let inputs = [checkpoint.input(&weights, &ComputeDevice::cpu()).unwrap()];
            let (network, split) = (checkpoint.network().unwrap(), data.split("val").unwrap());
            let score =
                alexnet_train::evaluate(&network, split, &inputs, Views::Two, 1, &mut |_| ());
            assert!((score.unwrap().top1_error - error).abs() < 1e-9);
        }
    }
    let [base, arm, _] = &outcome.arms[..] else { panic!("three arms") };
    assert_eq!(base.top1.difference, None);
    let difference = arm.top1.difference.unwrap();
    assert!((difference.mean - (arm.top1.mean() - base.top1.mean())).abs() < 1e-9);
    let [a, b] = arm.top1.errors[..] else { panic!("two seeds") };
    let deviation = (a - b).abs() / 2f64.sqrt();
    assert!((arm.top1.deviation().unwrap() - deviation).abs() < 1e-9);
}

#[test]
fn a_folder_of_another_experiment_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let first = experiment(&folder.path().join("a"), &data, &[("epochs", "1")]);
    run(&first);
    let weights = std::fs::read(first.run_folder(&first.arms[0], 3).weights()).unwrap();
    let other = experiment(&folder.path().join("a"), &data, &[("epochs", "1"), ("batch", "8")]);
    let refused = other.run(&|_| ()).unwrap_err();
    assert!(matches!(refused, Error::OtherExperiment(_)), "{refused}");
    assert!(refused.to_string().contains("seed-3 holds a run of another network"), "{refused}");
    assert!(std::fs::read(first.run_folder(&first.arms[0], 3).weights()).unwrap() == weights);
}

/// A rate with which one arm diverges costs that arm alone.
#[test]
fn an_arm_that_diverges_is_said_and_the_others_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 3);
    let mut experiment = experiment(&folder.path().join("a"), &data, &[("epochs", "1")]);
    experiment.arms[1].recipe.weights.rate = 1e30;
    let diverged = Mutex::new(0);
    let outcome = experiment.run(&|event| {
        *diverged.lock().unwrap() +=
            usize::from(matches!(event.progress, ArmProgress::Diverged(_)));
    });
    let outcome = outcome.unwrap();
    assert_eq!(diverged.into_inner().unwrap(), 2);
    let seeds: Vec<usize> = outcome.arms.iter().map(|arm| arm.seeds.len()).collect();
    assert_eq!(seeds, [2, 0, 2]);
    assert_eq!(outcome.arms[1].top1.difference, None);
    assert!(outcome.arms[2].top1.difference.is_some());
}
