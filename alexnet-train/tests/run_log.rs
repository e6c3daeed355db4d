//! The reader of run logs: what counts after a run was killed and resumed, and what it leaves out.

mod common;

use alexnet_data::Lock;
use alexnet_train::{Job, LogFollower, RunFolder, RunLog, RunStatus, Task, train};
use common::{dataset, job, recipe};
use serde_json::json;

fn step(epoch: u32, step: u32, loss: f32) -> String {
    json!({
        "event": "step", "epoch": epoch, "step": step, "loss": loss, "rate": 0.01, "images": 8,
        "seconds": 0.5, "waited": 0.1
    })
    .to_string()
}

/// As the first versions of the program wrote it.
fn start(epoch: usize, step: usize) -> String {
    json!({
        "event": "start", "network": "n", "recipe": "r", "seed": 1, "parameters": 5, "classes": 2,
        "images": 16, "epochs": 3, "steps_per_epoch": 2, "epoch": epoch, "step": step,
        "device": "cpu", "model": "cpu", "precision": "f32"
    })
    .to_string()
}

fn epoch(epoch: usize, train_loss: f64) -> String {
    json!({
        "event": "epoch", "epoch": epoch, "train_loss": train_loss, "rate": 0.01,
        "validation": null, "seconds": 1.5
    })
    .to_string()
}

fn parse(lines: &[String]) -> RunLog {
    RunLog::parse(lines.join("\n").as_bytes()).unwrap()
}

/// Steps after the last checkpoint are made again after a kill, and then count once.
#[test]
fn a_start_says_which_earlier_lines_still_count() {
    let before = [start(0, 0), step(0, 0, 9.0), step(0, 1, 8.0), epoch(0, 8.5), step(1, 0, 7.0)];
    let after = [start(1, 0), step(1, 0, 6.0), step(1, 1, 5.0), epoch(1, 5.5)];
    let log = parse(&[&before[..], &after].concat());
    let steps: Vec<_> = log.steps.iter().map(|s| (s.epoch, s.step, s.loss)).collect();
    assert_eq!(steps, [(0, 0, 9.0), (0, 1, 8.0), (1, 0, 6.0), (1, 1, 5.0)]);
    assert_eq!(log.epochs.iter().map(|e| e.train_loss).collect::<Vec<_>>(), [8.5, 5.5]);
    assert_eq!((log.starts.len(), log.unread, log.end), (2, 0, None));

    // In the middle of an epoch.
    let log = parse(&[&before[..], &[start(0, 1), step(0, 1, 4.0)]].concat());
    assert_eq!(log.steps.iter().map(|s| s.loss).collect::<Vec<_>>(), [9.0, 4.0]);
    assert!(log.epochs.is_empty());

    // The beginning, where a run ended before its first checkpoint; and the end, which counts until
    // the run goes on.
    let end = r#"{"event":"end","weights":"w","validation":[],"seconds":3.0}"#.to_owned();
    let log = parse(&[&before[..], std::slice::from_ref(&end)].concat());
    assert!(log.end.is_some());
    let log = parse(&[&before[..], &[end, start(0, 0)]].concat());
    assert_eq!((log.steps.len(), log.end), (0, None));
}

#[test]
fn cut_lines_and_events_of_other_versions_are_left_out() {
    let whole = [start(0, 0), step(0, 0, 9.0)].join("\n");
    let cut = &step(0, 1, 8.0)[..40];
    let unknown = r#"{"event":"weather","sun":true}"#;
    let text = format!("{whole}\n{cut}\n\n{unknown}\n{}", step(0, 1, 7.0));
    let log = RunLog::parse(text.as_bytes()).unwrap();
    assert_eq!(log.steps.iter().map(|s| s.loss).collect::<Vec<_>>(), [9.0, 7.0]);
    assert_eq!(log.unread, 1);
    // Bytes that are no text are a line that cannot be read.
    assert_eq!(RunLog::parse(&b"\xff\xfe\n"[..]).unwrap().unread, 1);
}

/// What `train` writes is what the reader reads.
#[test]
fn the_log_of_a_run_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 4, 2);
    let run = folder.path().join("run");
    let ended = train(&job(&data, &run, recipe(&[])), &mut |_| ()).unwrap();
    let scores = ended.scores().unwrap();
    let more = Job { task: Task::resume(Some(3)), ..job(&data, &run, recipe(&[])) };
    let ended = train(&more, &mut |_| ()).unwrap();
    let again = ended.scores().unwrap();
    let log = RunLog::read(&RunFolder::new(&run)).unwrap();
    assert_eq!((log.starts.len(), log.epochs.len(), log.steps.len()), (2, 3, 3 * 3));
    assert_eq!((log.unread, log.starts[1].epoch, log.starts[1].steps_per_epoch), (0, 2, 3));
    assert_eq!(log.end.unwrap().validation, again);
    assert_eq!(log.epochs[1].validation.unwrap().top1_error, scores[0].top1_error);
    let environment = log.starts[0].environment.as_ref().unwrap();
    assert_eq!((environment.version.as_str(), environment.loader_threads), ("0.1.0", 1));
    assert!(environment.threads > 0 && environment.system.contains(std::env::consts::ARCH));
    for epoch in &log.epochs {
        let validation = epoch.validation_seconds.unwrap();
        assert!(validation > 0.0 && validation < epoch.seconds, "{epoch:?}");
    }
}

/// Each look reads what is new: whole lines, and all of them anew where a resumed run has cut the
/// log, even if it is longer again by then.
#[test]
fn a_log_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let mut follower = LogFollower::new(&run);
    assert!(!follower.look().unwrap());
    let write = |lines: &[String], rest: &str| {
        std::fs::write(run.log(), lines.join("\n") + "\n" + rest).unwrap();
    };
    let losses = |follower: &LogFollower| -> Vec<f32> {
        follower.log().steps.iter().map(|step| step.loss).collect()
    };
    let lines = [start(0, 0), step(0, 0, 9.0), step(0, 1, 8.0)];
    write(&lines[..2], &lines[2][..40]);
    assert!(follower.look().unwrap());
    assert_eq!((losses(&follower), follower.log().unread), (vec![9.0], 0));
    assert!(!follower.look().unwrap());
    write(&lines, "");
    assert!(follower.look().unwrap());
    assert_eq!((losses(&follower), follower.log().unread), (vec![9.0, 8.0], 0));

    let again = [&lines[..2], &[start(0, 1), step(0, 1, 7.0), step(0, 2, 6.0)]].concat();
    write(&again, "");
    assert!(follower.look().unwrap());
    assert_eq!(losses(&follower), [9.0, 7.0, 6.0]);
    write(&lines[..1], "");
    assert!(follower.look().unwrap());
    assert_eq!((losses(&follower).len(), follower.log().starts.len()), (0, 1));
    std::fs::remove_file(run.log()).unwrap();
    assert!(follower.look().unwrap());
    assert_eq!(*follower.log(), RunLog::default());
}

#[test]
fn a_run_stands_as_its_lock_and_its_log_say() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let status = |lines: &[String]| RunStatus::of(&run, &parse(lines));
    let fail = r#"{"event":"fail","reason":"the loss is NaN","epoch":0,"step":1}"#.to_owned();
    let end = r#"{"event":"end","weights":"w","validation":[],"seconds":3.0}"#.to_owned();
    assert_eq!(status(&[]), RunStatus::Stopped);
    assert_eq!(status(&[start(0, 0), end.clone()]), RunStatus::Done);
    let failed = [start(0, 0), fail.clone()];
    assert_eq!(status(&failed), RunStatus::Diverged("the loss is NaN".to_owned()));
    assert_eq!(parse(&failed).notes[0].text, "ended: the loss is NaN");
    assert_eq!(status(&[start(0, 0), fail, start(0, 0)]), RunStatus::Stopped);

    let lock = Lock::exclusive(&folder.path().join(".run.lock")).unwrap().unwrap();
    let RunStatus::Running(holder) = status(&[start(0, 0), end.clone()]) else {
        panic!("it is locked")
    };
    assert_eq!(holder.process().unwrap().0, std::process::id());
    assert!(holder.is_here());
    drop(lock);
    assert_eq!(status(&[start(0, 0), end]), RunStatus::Done);
}
