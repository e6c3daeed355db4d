//! The reader of run logs: what counts after a run was killed and resumed, and what it leaves out.

mod common;

use alexnet_train::{Job, RunFolder, RunLog, Task, train};
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
