//! Runs that are left alone: stopped, damaged, on a disk that fails, with training that diverges.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use alexnet_train::{
    Asked, CheckpointEvery, Ended, Error, Event, Job, OnDivergence, Recipe, RunLog, Task, train,
};
use common::{dataset, job, recipe, train_until};

fn resume(job: &Job) -> Job {
    Job { task: Task::resume(None), stop: Default::default(), ..job.clone() }
}

/// The events of a run, and how it ended.
fn events(job: &Job) -> (Vec<Event>, Result<Ended, Error>) {
    let mut events = Vec::new();
    let ended = train(job, &mut |event| events.push(event.clone()));
    (events, ended)
}

fn warnings(events: &[Event]) -> Vec<String> {
    let message = |event: &Event| match event {
        Event::Warning { message, .. } => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

fn weights(job: &Job) -> Vec<u8> {
    fs::read(job.run.weights()).unwrap()
}

/// The names in the folder of checkpoints, without what all end with.
fn kept(job: &Job) -> Vec<String> {
    let entries = fs::read_dir(job.run.checkpoints()).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names.iter().map(|name| name.trim_end_matches(".safetensors").to_owned()).collect()
}

/// A flipped bit anywhere, and a file cut anywhere: it is said, and the run is the same.
#[test]
fn the_checkpoint_before_a_damaged_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let whole = job(&data, &folder.path().join("whole"), recipe(&[("epochs", "3")]));
    train(&whole, &mut |_| ()).unwrap();
    let cut = job(&data, &folder.path().join("cut"), recipe(&[("epochs", "3")]));
    train_until(Job { checkpoint_every: CheckpointEvery::Steps(1), ..cut.clone() }, (1, 1));
    let saved: Vec<_> = {
        let entries = fs::read_dir(cut.run.checkpoints()).unwrap().map(|e| e.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let (newest, log) = (fs::read(cut.run.checkpoint()).unwrap(), fs::read(cut.run.log()).unwrap());
    let flipped = |at: usize| {
        let mut bytes = newest.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let length = newest.len();
    let damaged = [flipped(3), flipped(100), flipped(length / 2), newest[..length / 3].to_vec()];
    for (number, bytes) in damaged.iter().chain([&Vec::new()]).enumerate() {
        fs::remove_dir_all(cut.run.checkpoints()).unwrap();
        fs::create_dir(cut.run.checkpoints()).unwrap();
        saved.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        fs::write(cut.run.log(), &log).unwrap();
        fs::remove_file(cut.run.checkpoint()).unwrap(); // another name of the newest one
        fs::write(cut.run.checkpoint(), bytes).unwrap();
        fs::write(&saved.iter().max().unwrap().0, bytes).unwrap();
        let (events, ended) = events(&resume(&cut));
        ended.unwrap();
        let warnings = warnings(&events);
        assert!(warnings[0].contains("checkpoint.safetensors"), "{number}: {warnings:?}");
        assert!(warnings[0].contains("goes on from the one before"), "{warnings:?}");
        assert!(weights(&cut) == weights(&whole), "{number}");
        let steps = RunLog::read(&cut.run).unwrap().steps.len();
        assert_eq!(steps, RunLog::read(&whole.run).unwrap().steps.len());
    }

    // Where none is left, the run does not begin again in silence.
    for path in fs::read_dir(cut.run.checkpoints()).unwrap().map(|entry| entry.unwrap().path()) {
        fs::write(path, b"no checkpoint").unwrap();
    }
    let error = train(&resume(&cut), &mut |_| panic!("it began")).unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
}

#[test]
fn the_last_few_the_best_and_those_before_a_drop_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let changes = "[{ epoch = 1, weights = 0.001 }, { step = 5, weights = 0.0001 }]";
    let job = job(
        &data,
        &folder.path().join("run"),
        recipe(&[("epochs", "4"), ("schedule.changes", changes)]),
    );
    train(&Job { keep: 3, ..job.clone() }, &mut |_| ()).unwrap();
    let last = ["epoch-002-step-000000", "epoch-003-step-000000", "epoch-004-step-000000"];
    assert_eq!(kept(&job), [&["best", "drop-1", "drop-2"], &last[..]].concat());
    let progress = |name: &str| {
        let path = job.run.checkpoints().join(name);
        let at = alexnet_train::Checkpoint::load(&path).unwrap().progress.unwrap();
        (at.epoch, at.step)
    };
    assert_eq!(progress("drop-1.safetensors"), (1, 0));
    assert_eq!(progress("drop-2.safetensors"), (1, 2), "a drop within an epoch of three steps");
}

/// While images are validated, and while the end is evaluated.
#[test]
fn a_run_stops_within_an_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 14); // the validation is two batches
    let whole = job(&data, &folder.path().join("whole"), recipe(&[]));
    let (all, _) = events(&whole);
    let evaluated = |e: &&Event| matches!(e, Event::Evaluated { .. });
    let evaluations = all.iter().filter(evaluated).count();
    for (number, at) in [(1, (0, 3)), (evaluations / 2 + 1, (2, 0)), (evaluations, (2, 0))] {
        let mut cut = job(&data, &folder.path().join(format!("cut-{number}")), recipe(&[]));
        let flag = cut.stop.request("the test");
        let mut seen = 0;
        let ended = train(&cut, &mut |event| {
            seen += usize::from(matches!(event, Event::Evaluated { .. }));
            flag.store(seen >= number, Ordering::Relaxed);
        });
        assert!(matches!(ended, Ok(Ended::Stopped { .. })), "{number}: {ended:?}");
        let saved = alexnet_train::Checkpoint::load(&cut.run.checkpoint()).unwrap();
        let progress = saved.progress.unwrap();
        assert_eq!((progress.epoch, progress.step), at);
        let (_, ended) = events(&resume(&cut));
        ended.unwrap();
        assert!(weights(&cut) == weights(&whole));
        let [log, want] = [&cut, &whole].map(|job| RunLog::read(&job.run).unwrap());
        let errors = |log: &RunLog| log.epochs.iter().map(|e| e.train_error).collect::<Vec<_>>();
        assert_eq!((errors(&log), log.steps.len()), (errors(&want), want.steps.len()));
        let rates = |log: &RunLog| log.steps.iter().map(|s| s.rate).collect::<Vec<_>>();
        assert_eq!(rates(&log), rates(&want));
    }
}

/// A run that cannot save says so once, goes on, and saves again when it can.
#[test]
fn a_checkpoint_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = folder.path().join("run");
    let job = job(&data, &run, recipe(&[("epochs", "4")]));
    fs::create_dir_all(job.run.checkpoint()).unwrap(); // a folder is not replaced
    let mut all = Vec::new();
    train(&job, &mut |event| {
        if let Event::Epoch { epoch: 2, .. } = event {
            fs::remove_dir(job.run.checkpoint()).unwrap();
        }
        all.push(event.clone());
    })
    .unwrap();
    let warnings = warnings(&all);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("checkpoint.safetensors") && warnings[0].contains("goes on"));
    assert!(warnings[1].contains("can be written again"), "{warnings:?}");
    let saved = alexnet_train::Checkpoint::load(&job.run.checkpoint()).unwrap();
    assert_eq!(saved.progress.unwrap().epoch, 4);
}

/// A run that is asked to stop has no next turn: it tries again at once, and says what is lost.
#[test]
fn a_stopping_run_tries_again_to_save() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    for is_mended in [true, false] {
        let run = folder.path().join(is_mended.to_string());
        let mut job = job(&data, &run, recipe(&[]));
        fs::create_dir_all(job.run.checkpoint()).unwrap(); // a folder is not replaced
        job.stop.request("the test").store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        let ended = train(&job, &mut |event| {
            if is_mended && matches!(event, Event::Warning { .. }) {
                _ = fs::remove_dir(job.run.checkpoint());
            }
            all.push(event.clone());
        });
        assert!(matches!(ended, Ok(Ended::Stopped { .. })), "{ended:?}");
        let warnings = warnings(&all);
        let want =
            if is_mended { "can be written again" } else { "a resumed run makes them again" };
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains(want), "{warnings:?}");
        assert_eq!(alexnet_train::Checkpoint::load(&job.run.checkpoint()).is_ok(), is_mended);
    }
}

/// A disk that has no room for a run's last files may have it in a moment.
#[test]
fn the_last_files_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let job = job(&data, &folder.path().join("run"), recipe(&[("epochs", "1")]));
    let files = [job.run.weights(), job.run.report()];
    files.iter().for_each(|path| fs::create_dir_all(path).unwrap());
    let mut told = Vec::new();
    train(&job, &mut |event| {
        if let Event::Warning { message, .. } = event {
            fs::remove_dir(&files[told.len()]).unwrap();
            told.push(message.clone());
        }
    })
    .unwrap();
    assert!(told.iter().all(|message| message.ends_with("; it is tried again")), "{told:?}");
    assert!(files.iter().all(|path| path.is_file()) && told.len() == 2, "{told:?}");
}

/// Rates that are far too high from the second epoch on.
fn hot(folder: &Path, name: &str, data: &Path) -> Job {
    let changes = "[{ epoch = 1, weights = 1e5, biases = 1e5 }]";
    let changes = [("epochs", "3"), ("schedule.changes", changes)];
    let job = job(data, &folder.join(name), recipe(&changes));
    Job { on_divergence: OnDivergence::Rollback, ..job }
}

#[test]
fn a_diverged_run_goes_back_with_lower_rates() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 1);
    let hot = hot(folder.path(), "run", &data);
    let (all, ended) = events(&hot);
    ended.unwrap();
    let back = |event: &Event| match event {
        Event::Rollback { epoch, step, factor, reason } => {
            assert!(reason.contains("diverged"), "{reason}");
            Some((*epoch, *step, *factor))
        }
        _ => None,
    };
    let back: Vec<_> = all.iter().filter_map(back).collect();
    assert!(!back.is_empty() && back.len() <= 3, "{back:?}");
    for (number, (epoch, step, factor)) in back.iter().enumerate() {
        assert_eq!((*epoch, *step), (1, 0), "the last good checkpoint");
        assert!((factor - 0.1_f32.powi(number as i32 + 1)).abs() < 1e-6, "{factor}");
    }
    let log = RunLog::read(&hot.run).unwrap();
    let steps: Vec<_> = log.steps.iter().map(|s| (s.epoch, s.step)).collect();
    let want: Vec<_> = (0..3).flat_map(|epoch| (0..5).map(move |step| (epoch, step))).collect();
    assert_eq!(steps, want, "one curve");
    assert!(log.notes.iter().any(|note| note.text.contains("diverged")), "{:?}", log.notes);
    let factor = log.steps[14].rate / 1e5;
    assert!((factor - back.last().unwrap().2).abs() < 1e-6, "{factor}");

    // It stays the same run when it is stopped after it went back.
    let cut = Job { run: self::hot(folder.path(), "cut", &data).run, ..hot.clone() };
    train_until(cut.clone(), (2, 1));
    train(&resume(&cut), &mut |_| ()).unwrap();
    assert!(weights(&cut) == weights(&hot));
}

/// Where there is no checkpoint yet, a run goes back to its beginning.
#[test]
fn a_run_that_diverges_at_once_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 1);
    let hot = [("epochs", "1"), ("weights.rate", "1e5"), ("biases.rate", "1e5"), ("layers", "{}")];
    let job = job(&data, &folder.path().join("run"), recipe(&hot));
    train(&Job { on_divergence: OnDivergence::Rollback, ..job.clone() }, &mut |_| ()).unwrap();
    let log = RunLog::read(&job.run).unwrap();
    let steps: Vec<_> = log.steps.iter().map(|s| (s.epoch, s.step)).collect();
    assert_eq!(steps, (0..5).map(|step| (0, step)).collect::<Vec<_>>());
    assert_eq!((log.starts.len(), log.starts[0].steps_per_epoch), (1, 5));
    assert!(log.notes.iter().any(|note| note.text.contains("diverged")), "{:?}", log.notes);
}

/// After three times it ends, and the good checkpoint is there.
#[test]
fn a_run_that_always_diverges_ends() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let changes = [("schedule.changes", "[{ epoch = 1, weights = 1e30 }]")];
    let job = job(&data, &folder.path().join("run"), recipe(&changes));
    let job = Job { on_divergence: OnDivergence::Rollback, ..job };
    let (all, ended) = events(&job);
    assert!(matches!(ended, Err(Error::Diverged { epoch: 1, .. })), "{ended:?}");
    let count = |kind: fn(&Event) -> bool| all.iter().filter(|event| kind(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Rollback { .. })), 3);
    assert!(matches!(all.last(), Some(Event::Fail { epoch: 1, .. })), "{:?}", all.last());
    let saved = alexnet_train::Checkpoint::load(&job.run.checkpoint()).unwrap();
    assert_eq!(saved.progress.unwrap().epoch, 1);
}

#[test]
fn the_layer_in_which_training_diverges_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    for layer in ["conv3", "fc4", "fc5"] {
        let layers = format!("{{ {layer} = {{ weights = {{ rate = 1e38, decay = 0.0 }} }} }}");
        let recipe = recipe(&[("layers", &layers)]);
        let job = job(&data, &folder.path().join(layer), recipe);
        let error = train(&job, &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Diverged { epoch: 0, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!(", first in layer {layer}:")), "{text}");
    }
}

/// Other numbers are named, and taken only where that is meant.
#[test]
fn a_run_goes_on_with_other_numbers_only_on_purpose() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = job(&data, &folder.path().join("run"), recipe(&[]));
    train(&run, &mut |_| ()).unwrap();
    let with = |recipe: Recipe, seed, may_change| {
        let asked = Asked { recipe: Some(recipe), seed: Some(seed), ..Asked::default() };
        Job { task: Task::Resume { asked: Box::new(asked), may_change }, ..run.clone() }
    };
    train(&with(recipe(&[]), 3, false), &mut |_| ()).unwrap();
    let error = train(&with(recipe(&[]), 4, true), &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::OtherRun { what: "seed", .. }), "{error}");
    let other = [("weights.rate", "0.02"), ("epochs", "3"), ("augmentation.flip", "false")];
    let error = train(&with(recipe(&other), 3, false), &mut |_| ()).unwrap_err().to_string();
    let want = "(augmentation.flip: true, not false; epochs: 2, not 3; weights.rate: 0.01, not \
                0.02): leave them out to resume it as it is, or add --change";
    assert!(error.contains(want), "{error}");
    let (all, ended) = events(&with(recipe(&other), 3, true));
    ended.unwrap();
    let change = |event: &Event| match event {
        Event::Change { key, from, to } => Some(format!("{key} {from} {to}")),
        _ => None,
    };
    let saved = |event: &&Event| matches!(event, Event::Checkpoint { epoch: 2, step: 0, .. });
    assert!(all.iter().any(|event| saved(&event)), "the new numbers are saved before a step");
    let changes: Vec<_> = all.iter().filter_map(change).collect();
    assert_eq!(changes, ["augmentation.flip true false", "epochs 2 3", "weights.rate 0.01 0.02"]);
    assert_eq!(run.run.config().unwrap().recipe, recipe(&other));
    assert_eq!(RunLog::read(&run.run).unwrap().steps.last().unwrap().rate, 0.02);
}

/// A dataset that was moved is found where it is said to be, and from then on.
#[test]
fn a_dataset_may_move() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let run = job(&data, &folder.path().join("run"), recipe(&[]));
    train(&run, &mut |_| ()).unwrap();
    let moved = folder.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    assert!(matches!(train(&resume(&run), &mut |_| ()), Err(Error::Data(_))));
    train(&Job { data: moved.clone(), ..resume(&run) }, &mut |_| ()).unwrap();
    assert_eq!(run.run.config().unwrap().data, moved);
}

/// The norms are those of the numbers: an update of the recipe's rate times what momentum has.
#[test]
fn norms_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 1);
    let job = job(&data, &folder.path().join("run"), recipe(&[("weights.decay", "0.0")]));
    train(&Job { norms_every: 1, ..job.clone() }, &mut |_| ()).unwrap();
    let log = RunLog::read(&job.run).unwrap();
    assert_eq!(log.norms.len(), log.steps.len());
    let first = &log.norms[0].layers;
    assert_eq!(first.iter().map(|l| l.layer.as_str()).collect::<Vec<_>>(), LAYERS);
    for layer in first.iter().filter(|layer| layer.layer != "conv1") {
        // The first update has no momentum yet, and decay is 0.
        let want = 0.01 * layer.gradient;
        assert!((layer.update - want).abs() < 1e-4 * want, "{layer:?}");
        assert!(layer.weight > layer.update, "{layer:?}");
    }
}

/// The layers of the test's network that have weights.
const LAYERS: [&str; 5] = ["conv1", "conv2", "conv3", "fc4", "fc5"];
