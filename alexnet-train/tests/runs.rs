//! Whole runs: the same weights whatever the threads and interruptions, files that are right or
//! refused.

mod common;

use std::fs;
use std::path::Path;

use alexnet_data::{GivenStatistics, MeanImage};
use alexnet_train::{Checkpoint, CheckpointEvery, Error, Event, Job, RunLog, Task, train};
use common::{dataset, job, recipe, train_until};

/// The bytes of the final weights of `job`.
fn weights(job: &Job) -> Vec<u8> {
    train(job, &mut |_| ()).unwrap();
    fs::read(job.run.weights()).unwrap()
}

/// As [`job`], going on with the run that is in its folder.
fn resume(data: &Path, run: &Path, epochs: Option<usize>) -> Job {
    Job { task: Task::resume(epochs), ..job(data, run, recipe(&[])) }
}

#[test]
fn loader_threads_do_not_change_a_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 7, 2);
    let run = |threads: usize| {
        let job = job(&data, &folder.path().join(format!("run-{threads}")), recipe(&[]));
        weights(&Job { loader_threads: threads, ..job })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(8));
}

#[test]
fn another_seed_gives_other_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = |seed: u64| {
        let mut job =
            job(&data, &folder.path().join(format!("run-{seed}")), recipe(&[("epochs", "1")]));
        if let Task::Start { seed: s, .. } = &mut job.task {
            *s = seed;
        }
        weights(&job)
    };
    assert!(run(1) != run(2));
}

/// Statistics that are given are used, and stand in the run and in its weights; a run that goes on
/// keeps them.
#[test]
fn given_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let mean = GivenStatistics { mean: Some([1.0, 2.0, 3.0]), ..GivenStatistics::default() };
    let run = |name: &str, given: Option<&GivenStatistics>, epochs| {
        let mut job = job(&data, &folder.path().join(name), recipe(&[("epochs", epochs)]));
        if let Task::Start { statistics, .. } = &mut job.task {
            *statistics = given.map(|given| Box::new(given.clone()));
        }
        (weights(&job), job)
    };
    let (own, _) = run("own", None, "1");
    let (given, first) = run("given", Some(&mean), "1");
    assert!(own != given);
    assert_eq!(first.run.config().unwrap().statistics.as_deref(), Some(&mean));
    let image = candle_core::safetensors::load(first.run.weights(), &candle_core::Device::Cpu);
    let image = image.unwrap()["input.mean_image"].flatten_to(1).unwrap().to_vec2::<f32>().unwrap();
    assert!(image.iter().all(|pixel| pixel == &[1.0, 2.0, 3.0]));
    let resumed = Job { task: Task::resume(Some(2)), ..first };
    assert!(weights(&resumed) == run("whole", Some(&mean), "2").0);

    let small =
        GivenStatistics { mean_image: Some(MeanImage(vec![1.0; 6])), ..GivenStatistics::default() };
    let mut job = job(&data, &folder.path().join("small"), recipe(&[]));
    if let Task::Start { statistics, .. } = &mut job.task {
        *statistics = Some(Box::new(small));
    }
    let error = train(&job, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("mean_image") && !job.run.path().exists(), "{error}");
}

/// A run cut off in the middle of its second epoch, and one cut off after its first, end as one
/// that was not.
#[test]
fn a_resumed_run_is_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 7, 2);
    let path = |name: &str| folder.path().join(name);
    let three = [("epochs", "3")];
    let ends = |event: &Event| match event {
        Event::Epoch { epoch, train_loss, train_error, .. } => {
            Some((*epoch, *train_loss, *train_error))
        }
        _ => None,
    };

    let undisturbed = job(&data, &path("whole"), recipe(&three));
    let mut epochs = Vec::new();
    train(&undisturbed, &mut |event| epochs.extend(ends(event))).unwrap();
    let want = fs::read(undisturbed.run.weights()).unwrap();

    let cut = path("cut");
    train_until(job(&data, &cut, recipe(&three)), (1, 1));
    let at = Checkpoint::load(&cut.join("checkpoint.safetensors")).unwrap().progress.unwrap();
    assert_eq!((at.epoch, at.step), (1, 2));
    // The next batch is not the first of an epoch, and another thread makes it than before.
    let resumed = Job { loader_threads: 3, ..resume(&data, &cut, None) };
    let mut epochs_after = Vec::new();
    train(&resumed, &mut |event| epochs_after.extend(ends(event))).unwrap();
    assert!(fs::read(resumed.run.weights()).unwrap() == want, "resumed within an epoch");
    assert_eq!(epochs_after, epochs[1..], "loss and error of an epoch that was cut in two");

    let first = job(&data, &path("first"), recipe(&[("epochs", "1")]));
    weights(&first);
    assert!(weights(&resume(&data, &path("first"), Some(3))) == want, "resumed between epochs");
    assert!(weights(&resume(&data, &path("first"), None)) == want, "resumed when already complete");
}

#[test]
fn the_loss_falls_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 2);
    let rates = [("epochs", "6"), ("weights.rate", "0.05"), ("biases.rate", "0.04")];
    let job = job(&data, &folder.path().join("run"), recipe(&rates));
    let ended = train(&job, &mut |_| ()).unwrap();
    let scores = ended.scores().unwrap();
    assert_eq!(scores.iter().map(|s| (s.images, s.views)).collect::<Vec<_>>(), [(20, 1), (20, 10)]);
    let log = fs::read_to_string(job.run.log()).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|l| l["event"] == kind).collect::<Vec<_>>();
    assert_eq!(
        [of("start").len(), of("step").len(), of("epoch").len(), of("end").len()],
        [1, 30, 6, 1]
    );
    assert!(of("step").into_iter().chain(of("epoch")).all(|event| event["rate"] == 0.05));
    for epoch in of("epoch") {
        let number = |event: &serde_json::Value, key: &str| event[key].as_f64().unwrap();
        let steps = of("step").into_iter().filter(|step| step["epoch"] == epoch["epoch"]);
        let sum = steps.map(|step| number(step, "loss") * number(step, "images")).sum::<f64>();
        let (got, want) = (number(epoch, "train_loss"), sum / 80.0);
        assert!((got - want).abs() < 1e-6 * want, "{epoch}: its steps have a loss of {want}");
    }
    let epochs = |key: &str| -> Vec<f64> {
        of("epoch").iter().map(|event| event[key].as_f64().unwrap()).collect()
    };
    let (losses, errors) = (epochs("train_loss"), epochs("train_error"));
    assert!(losses[5] < losses[0] && losses[0] < 4.0, "{losses:?}");
    // Of 80 images, most of them wrong: the network begins by guessing among ten classes.
    let share = |error: &f64| (error * 0.8 - (error * 0.8).round()).abs() < 1e-9;
    let guessed = |error: &f64| (50.0..=100.0).contains(error);
    assert!(errors.iter().all(|error| share(error) && guessed(error)), "{errors:?}");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(job.run.report()).unwrap()).unwrap();
    assert_eq!(report[1]["top1_error"].as_f64(), Some(scores[1].top1_error));
}

/// Eight images without augmentation or dropout's help are learnt by heart.
#[test]
fn overfits_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 1, 1);
    let changes = [
        ("batch", "10"),
        ("epochs", "150"),
        ("augmentation.flip", "false"),
        ("order", "stored"),
        ("schedule.changes", "[]"),
        ("augmentation.shared_by", "10"),
        ("augmentation.color.sigma", "0.0"),
    ];
    let mut job = job(&data, &folder.path().join("run"), recipe(&changes));
    if let Task::Start { network, .. } = &mut job.task {
        network.layers.retain(|l| l.name != "drop4");
    }
    let mut epochs = Vec::new();
    train(&job, &mut |event| {
        if let Event::Epoch { train_loss, train_error, .. } = event {
            epochs.push((*train_loss, *train_error));
        }
    })
    .unwrap();
    let ((_, first), (last, error)) = (epochs[0], epochs[149]);
    assert!(last < 0.5, "loss is still {last}");
    assert!(first >= 60.0 && error <= 10.0, "of the images {first} % were wrong, now {error} %");
}

/// The steps before a damaged record are made, the run ends with its error, and no thread waits on.
#[test]
fn a_damaged_record_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 1);
    let recipe = recipe(&[("order", "stored"), ("epochs", "1")]);
    let shard = data.join("train-00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    let index = bytes.len() - 80 * 24; // an entry of 24 bytes for each of 80 records
    bytes[index - 1] ^= 1; // the end of the last record, which is in batch 4
    fs::write(&shard, bytes).unwrap();
    for threads in [1, 2, 3] {
        let job = job(&data, &folder.path().join(format!("run-{threads}")), recipe.clone());
        let mut steps = 0;
        let mut count = |event: &Event| steps += usize::from(matches!(event, Event::Step { .. }));
        let error = train(&Job { loader_threads: threads, ..job }, &mut count).unwrap_err();
        assert!(matches!(error, Error::Data(alexnet_data::Error::DamagedRecord { .. })), "{error}");
        assert_eq!(steps, 4, "{threads} threads");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let run = folder.path().join("run");
    let fails = |job: &Job| train(job, &mut |_| ()).unwrap_err();

    let missing = folder.path().join("nowhere");
    assert!(matches!(fails(&job(&missing, &run, recipe(&[]))), Error::Data(_)));
    assert!(matches!(fails(&resume(&data, &run, None)), Error::NoRun(_)));

    let mut large = job(&data, &run, recipe(&[]));
    if let Task::Start { network, .. } = &mut large.task {
        network.input = [3, 64, 64];
    }
    assert!(matches!(
        fails(&large),
        Error::ImagesTooSmall { crop: [64, 64], stored: [48, 48], .. }
    ));

    let changes = [("schedule.changes", r#"[{ epoch = 1, layer = "conv9", weights = 0.1 }]"#)];
    let error = fails(&job(&data, &run, recipe(&changes))).to_string();
    assert!(error.contains("`conv9`") && error.contains("did you mean `conv"), "{error}");
    assert!(!run.exists(), "a refused run leaves nothing");

    let hot = [("weights.rate", "1e30"), ("biases.rate", "1e30")];
    assert!(matches!(fails(&job(&data, &run, recipe(&hot))), Error::Diverged { .. }));
    assert!(matches!(fails(&job(&data, &run, recipe(&[]))), Error::RunExists(_)));

    let other = dataset(&folder.path().join("other"), 3, 1);
    assert!(matches!(fails(&resume(&other, &run, None)), Error::OtherDataset { .. }));
}

/// A killed run may leave half a line, and lines of steps after its last checkpoint: they are cut
/// off, and the log is one curve.
#[test]
fn the_log_of_a_killed_run_goes_on_where_its_checkpoint_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let [run, killed] = ["run", "killed"].map(|name| folder.path().join(name));
    let whole = job(&data, &run, recipe(&[("epochs", "3")]));
    let whole = Job { checkpoint_every: CheckpointEvery::Steps(1), ..whole };
    let mut written = 0;
    train(&whole, &mut |event| {
        written += usize::from(matches!(event, Event::Checkpoint { epoch: 1, .. }));
        if let (1, Event::Step { epoch: 2, step: 1, .. }) = (written.min(1), event) {
            // As a kill would leave it here, in the middle of a line.
            fs::create_dir_all(&killed).unwrap();
            for file in ["run.json", "checkpoint.safetensors", "log.jsonl"] {
                fs::copy(run.join(file), killed.join(file)).unwrap();
            }
            let mut log = fs::read(killed.join("log.jsonl")).unwrap();
            log.truncate(log.len() - 10);
            fs::write(killed.join("log.jsonl"), log).unwrap();
        }
    })
    .unwrap();
    let resumed = resume(&data, &killed, None);
    assert!(weights(&resumed) == fs::read(whole.run.weights()).unwrap());
    let log = RunLog::read(&resumed.run).unwrap();
    let steps: Vec<_> = log.steps.iter().map(|s| (s.epoch, s.step)).collect();
    let want: Vec<_> = (0..3).flat_map(|epoch| (0..3).map(move |step| (epoch, step))).collect();
    assert_eq!((steps, log.unread, log.starts.len()), (want, 0, 2));
    let text = fs::read_to_string(resumed.run.log()).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(r#""event":"step""#)).count(), 9);
    let losses = |log: &RunLog| log.steps.iter().map(|s| s.loss).collect::<Vec<_>>();
    assert_eq!(losses(&log), losses(&RunLog::read(&whole.run).unwrap()));
}
