//! The screen at several sizes, of runs in several states.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use alexnet_data::Lock;
use alexnet_model::NetworkSpec;
use alexnet_train::{Evaluation, Recipe, RunConfig, RunFolder};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::palette::Palette;
use super::plain;
use super::screen::{Screen, Span};
use super::watched::Watched;
use crate::runs::moment::now;

/// The sizes of the terminals: a narrow one, the usual one, a large one.
const SIZES: [(u16, u16); 3] = [(60, 30), (80, 24), (140, 40)];
const STEPS: u64 = 32;

/// A folder with a run that has no log yet.
fn begun() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = RunConfig {
        data: "data/demo".into(),
        data_checksum: "crc32:00000000".into(),
        seed: 7,
        recipe: Recipe::preset("demo", &[]).unwrap(),
        statistics: None,
        pretrained: None,
        network: NetworkSpec::preset("demo").unwrap(),
    };
    fs::write(folder.path().join("run.json"), serde_json::to_string(&config).unwrap()).unwrap();
    folder
}

fn append(folder: &Path, lines: &[Value]) {
    let log = OpenOptions::new().append(true).create(true).open(folder.join("log.jsonl"));
    let mut log = log.unwrap();
    for line in lines {
        writeln!(log, "{line}").unwrap();
    }
}

fn start(epoch: u64, step: u64) -> Value {
    json!({
        "event": "start", "network": "demo", "recipe": "demo", "seed": 7, "parameters": 483_530,
        "classes": 10, "images": 4000, "epochs": 30, "steps_per_epoch": STEPS, "epoch": epoch,
        "step": step, "device": "cuda:0", "model": "NVIDIA H100 80GB HBM3", "precision": "bf16",
        "time": now()
    })
}

fn step(epoch: u64, step: u64) -> Value {
    let done = (epoch * STEPS + step) as f64;
    json!({
        "event": "step", "epoch": epoch, "step": step, "rate": 0.01, "images": 128,
        "loss": 2.3 / (1.0 + done / 100.0) + 0.2 * (done * 1.7).sin(), "seconds": 0.4,
        "waited": 0.02, "time": now()
    })
}

fn epoch(epoch: u64) -> Value {
    let error = 90.0 / (1.0 + epoch as f64);
    json!({
        "event": "epoch", "epoch": epoch, "train_loss": 1.5, "train_error": error + 3.0,
        "rate": 0.01, "seconds": 14.0, "validation_seconds": 1.2, "time": now(),
        "validation": {
            "images": 1000, "views": 1, "loss": 1.2, "top1_error": error, "top5_error": error / 4.0
        }
    })
}

fn epochs(count: u64) -> Vec<Value> {
    let of = |e| (0..STEPS).map(move |s| step(e, s)).chain([epoch(e)]);
    [start(0, 0)].into_iter().chain((0..count).flat_map(of)).collect()
}

/// Five epochs and a half, with all that a log can have.
fn at_work(folder: &Path) {
    let layers = ["conv1", "conv2", "conv3", "fc4", "fc5"].map(
        |layer| json!({ "layer": layer, "weight": 12.5, "gradient": 0.031, "update": 0.0004 }),
    );
    let warning = "the disk has 1.2 GB left and the run will write 3.4 GB: make room";
    append(folder, &epochs(5));
    append(folder, &(0..STEPS / 2).map(|s| step(5, s)).collect::<Vec<_>>());
    let (bytes, seconds, waited) = (3_904_512, 0.4, 0.9);
    append(
        folder,
        &[
            json!({ "event": "checkpoint", "epoch": 5, "step": 16, "bytes": bytes,
                "seconds": seconds, "waited": waited, "time": now() - 200.0 }),
            json!({ "event": "norms", "epoch": 5, "step": 9, "layers": layers, "time": now() }),
            json!({ "event": "drop", "epoch": 3, "factor": 0.1, "time": now() }),
            json!({ "event": "warning", "epoch": 5, "step": 15, "message": warning,
                "time": now() }),
        ],
    );
}

fn watched(folder: &Path) -> Watched {
    Watched::new(RunFolder::new(folder)).unwrap()
}

fn drawn(watched: &Watched, (width, height): (u16, u16), colors: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let screen = Screen { watched, palette: Palette { colors }, span: Span::Whole };
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows of a screen as text.
fn text(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let row = |cells: &[ratatui::buffer::Cell]| -> String {
        cells.iter().map(|cell| cell.symbol()).collect()
    };
    rows.map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_running_run_is_whole_at_each_size() {
    let folder = begun();
    let lock = Lock::exclusive(&folder.path().join(".run.lock")).unwrap().unwrap();
    at_work(folder.path());
    let watched = watched(folder.path());
    for size in SIZES {
        let screen = text(&drawn(&watched, size, true));
        let numbers = watched.numbers().into_iter().chain(watched.shares());
        let facts = numbers.map(|(_, value)| value).chain(watched.events());
        let facts = facts.chain([watched.state(), watched.what(), watched.progress()]);
        for word in facts.flat_map(|f| f.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(screen.contains(word.trim_end_matches(',')), "{size:?}: no {word}:\n{screen}");
        }
        let process = format!("running: process {} on", std::process::id());
        for words in [
            &process,
            "epoch 6/30, step 16/32",
            "left, ends",
            "18.3 %",
            "18.00 %, top-5 4.50 %",
            "18.00 %, epoch 5",
            "1e-2, 320 images/s",
            "3 min ago, epoch 6 step 17, 3.90 MB",
            "rates × 1e-1 from epoch 4",
            "compute",
            "checkpoints",
            "q, Esc or Ctrl-C leaves",
            "• steps",
            "⠒ top-1",
        ] {
            assert!(screen.contains(words), "{size:?}: no `{words}`:\n{screen}");
        }
        assert_eq!(screen.contains("top-5\n") || screen.contains("▄ top-5"), size.0 >= 80);
        assert_eq!(screen.contains("conv3"), size.0 >= 140, "{screen}");
        assert_eq!(cfg!(target_os = "linux"), screen.contains("memory"), "{screen}");
        let curves = screen.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(curves > 20, "{size:?}: {curves} cells of curves:\n{screen}");
    }
    lock.remove();
}

#[test]
fn states_are_told() {
    let folder = begun();
    let said = |folder: &Path| text(&drawn(&watched(folder), (80, 24), true));
    let screen = said(folder.path());
    assert!(screen.contains("waiting for the first line of its log"), "{screen}");
    append(folder.path(), &epochs(2));
    let screen = said(folder.path());
    assert!(screen.contains("stopped") && screen.contains("last at work 0 s ago"), "{screen}");

    let reason = "the loss of epoch 3, step 1 is NaN";
    let fail = json!({ "event": "fail", "reason": reason, "epoch": 2, "step": 0, "time": now() });
    append(folder.path(), &[fail]);
    let screen = said(folder.path());
    assert!(screen.contains(&format!("diverged: {reason}")), "{screen}");

    let score = |views, top1_error| {
        let (images, loss, top5_error) = (9, 1.0, 1.5);
        Evaluation { images, views, loss, top1_error, top5_error }
    };
    let scores = [score(1, 17.0), score(10, 12.25)];
    let end = json!({ "event": "end", "weights": "w", "validation": scores, "seconds": 9.0 });
    append(folder.path(), &[start(2, 0), end]);
    let watched = watched(folder.path());
    let screen = text(&drawn(&watched, (80, 24), true));
    for words in ["done", "100.0 %", "12.25 %, top-5 1.50 %"] {
        assert!(screen.contains(words), "no `{words}`:\n{screen}");
    }
    let plain = plain::lines(&watched).join("\n");
    assert!(plain.contains("state       done\n"), "{plain}");
}

/// Each look reads on, also where the writer was in the middle of a line, and begins anew where a
/// resumed run cut the log.
#[test]
fn a_log_that_grows_and_is_cut() {
    let folder = begun();
    let path = folder.path();
    append(path, &[start(0, 0), step(0, 0)]);
    let mut watched = watched(path);
    assert!(watched.progress().contains("epoch 1/30, step 1/32"), "{}", watched.progress());
    let line = format!("{}\n", step(0, 1));
    for (half, done) in [(&line[..30], 1), (&line[30..], 2)] {
        let log = OpenOptions::new().append(true).open(path.join("log.jsonl"));
        log.unwrap().write_all(half.as_bytes()).unwrap();
        watched.look().unwrap();
        assert_eq!((watched.log().steps.len(), watched.log().unread), (done, 0));
    }
    append(path, &(2..20).map(|s| step(0, s)).collect::<Vec<_>>());
    watched.look().unwrap();
    let whole = fs::read_to_string(path.join("log.jsonl")).unwrap();
    let kept: String = whole.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(path.join("log.jsonl"), kept).unwrap();
    append(path, &[start(0, 4), step(0, 4)]);
    watched.look().unwrap();
    assert_eq!((watched.log().steps.len(), watched.log().starts.len()), (5, 2));
    fs::remove_file(path.join("log.jsonl")).unwrap();
    watched.look().unwrap();
    assert!(watched.progress().contains("waiting"), "{}", watched.progress());
}

#[test]
fn any_size_and_any_number_is_drawn() {
    let folder = begun();
    at_work(folder.path());
    append(
        folder.path(),
        &[json!({ "event": "step", "epoch": 5, "step": 16, "loss": 3e38,
        "rate": 0.0, "images": 128, "seconds": 0.0, "waited": 0.0 })],
    );
    let watched = watched(folder.path());
    for size in [(1, 1), (20, 5), (35, 12), (59, 200), (300, 10), (300, 100)] {
        for span in [Span::Whole, Span::Latest] {
            let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
            let screen = Screen { watched: &watched, palette: Palette { colors: true }, span };
            terminal.draw(|frame| screen.draw(frame)).unwrap();
        }
    }
}

#[test]
fn no_color_means_none() {
    let folder = begun();
    at_work(folder.path());
    let watched = watched(folder.path());
    let colored = |colors| {
        let buffer = drawn(&watched, (140, 40), colors);
        buffer.content.iter().any(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset))
    };
    assert!(colored(true) && !colored(false));
}
