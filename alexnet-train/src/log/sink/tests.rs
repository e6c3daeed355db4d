//! The logs of a run that is killed, resumed and rolled back are those of a run that was not.

use std::fs;
use std::time::Instant;

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::environment::Environment;
use crate::evaluate::score::Evaluation;
use crate::log::event::LayerNorms;
use crate::log::tensorboard::messages;

const STEPS: usize = 4;

fn start(updates: usize) -> Event {
    Event::Start {
        network: "n".to_owned(),
        recipe: "r".to_owned(),
        seed: 1,
        parameters: 5,
        classes: 2,
        images: 32,
        epochs: 9,
        steps_per_epoch: STEPS,
        epoch: updates / STEPS,
        step: updates % STEPS,
        device: "cpu".to_owned(),
        model: "cpu".to_owned(),
        precision: "f32".to_owned(),
        environment: Box::new(Environment::here(1)),
        pretrained: None,
    }
}

/// The step that makes update number `update`, and the end of its epoch where it is the last.
fn make_update(events: &mut EventSink<'_>, update: usize) {
    let (epoch, step) = (update / STEPS, update % STEPS);
    let (loss, rate) = (2.0 / (update + 1) as f32, 0.01);
    events.emit(Event::Step { epoch, step, loss, rate, images: 8, seconds: 0.5, waited: 0.1 });
    let norms = LayerNorms { layer: "conv1".to_owned(), weight: 3.0, gradient: 2.0, update: 1.0 };
    events.emit(Event::Norms { epoch, step, layers: vec![norms] });
    if step + 1 == STEPS {
        let validation =
            Evaluation { images: 4, views: 1, loss: 2.0, top1_error: 50.0, top5_error: 25.0 };
        events.emit(Event::Epoch {
            epoch,
            train_loss: 2.0,
            train_error: 60.0,
            rate,
            validation: Some(validation),
            seconds: 3.0,
            validation_seconds: 1.0,
        });
    }
}

/// The updates whose steps each log has, in its order, and how many epochs. Every record has to be
/// whole.
fn logged(run: &RunFolder) -> [(Vec<usize>, usize); 3] {
    let [lines, table, events] = run.logs().map(|path| fs::read(path).unwrap());
    let lines: Vec<serde_json::Value> = lines
        .split_inclusive(|b| *b == b'\n')
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    let number = |line: &serde_json::Value, key: &str| line[key].as_u64().unwrap() as usize;
    let steps = lines.iter().filter(|line| line["event"] == "step");
    let steps = steps.map(|line| number(line, "epoch") * STEPS + number(line, "step")).collect();
    let epochs = lines.iter().filter(|line| line["event"] == "epoch").count();

    let table = String::from_utf8(table).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 10) && table.starts_with(csv::HEADER), "{table}");
    let (of_steps, of_epochs): (Vec<_>, Vec<_>) =
        rows[1..].iter().partition(|row| !row[2].is_empty());
    let table_steps = of_steps.iter().map(|row| row[1].parse().unwrap()).collect();

    let (mut rest, mut event_steps, mut event_epochs, mut time) = (&events[..], vec![], 0, 0.0);
    while let Some((length, _)) = rest.split_first_chunk::<8>() {
        let end = 12 + u64::from_le_bytes(*length) as usize;
        let event = messages::Event::decode(&rest[12..end]).unwrap();
        assert!(event.wall_time >= time, "time goes on");
        time = event.wall_time;
        let has = |tag| event.summary.iter().flat_map(|s| &s.value).any(|v| v.tag == tag);
        if has("loss") {
            event_steps.push(event.step as usize);
        }
        event_epochs += usize::from(has("train/loss"));
        rest = &rest[end + 4..];
    }
    [(steps, epochs), (table_steps, of_epochs.len()), (event_steps, event_epochs)]
}

fn assert_one_curve(run: &RunFolder, updates: usize) {
    for (steps, epochs) in logged(run) {
        assert_eq!((steps, epochs), ((0..updates).collect(), updates / STEPS));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A kill leaves any number of bytes of what was written after the checkpoint.
    #[test]
    fn a_killed_run_has_one_curve(
        kills in prop::collection::vec((0..9usize, 0..9usize, any::<[u16; 3]>()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        let (mut updates, mut checkpoint) = (0, None);
        for (before, after, left) in kills {
            let mut ignore = |_: &Event| ();
            let mut events = EventSink::open(&run, checkpoint.as_ref(), &mut ignore);
            events.emit(start(updates));
            (updates..updates + before).for_each(|update| make_update(&mut events, update));
            updates += before;
            let offsets = events.offsets();
            (updates..updates + after).for_each(|update| make_update(&mut events, update));
            drop(events);
            for (path, left) in run.logs().into_iter().zip(left) {
                let name = name_in(&run, &path);
                let log = fs::OpenOptions::new().write(true).open(&path).unwrap();
                let lost = u64::from(left) % (log.metadata().unwrap().len() - offsets[&name] + 1);
                log.set_len(log.metadata().unwrap().len() - lost).unwrap();
            }
            checkpoint = Some(offsets);
        }
        let mut ignore = |_: &Event| ();
        let mut events = EventSink::open(&run, checkpoint.as_ref(), &mut ignore);
        events.emit(start(updates));
        (updates..updates + 3).for_each(|update| make_update(&mut events, update));
        drop(events);
        assert_one_curve(&run, updates + 3);
    }
}

#[test]
fn a_run_that_goes_back_has_one_curve() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let mut ignore = |_: &Event| ();
    let mut events = EventSink::open(&run, None, &mut ignore);
    events.emit(start(0));
    (0..6).for_each(|update| make_update(&mut events, update));
    let good = events.offsets();
    (6..11).for_each(|update| make_update(&mut events, update));
    events.cut_to(Some(&good));
    (6..9).for_each(|update| make_update(&mut events, update));
    assert_one_curve(&run, 9);
    assert_eq!(
        good.keys().collect::<Vec<_>>(),
        ["log.csv", "log.jsonl", "tensorboard/events.out.tfevents.alexnet"]
    );
}

/// Without a checkpoint a run begins again; checkpoints of earlier versions do not know offsets.
#[test]
fn without_offsets_nothing_or_all_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let go_on = |offsets: Option<&LogOffsets>, updates: std::ops::Range<usize>| {
        let mut ignore = |_: &Event| ();
        let mut events = EventSink::open(&run, offsets, &mut ignore);
        events.emit(start(updates.start));
        updates.for_each(|update| make_update(&mut events, update));
    };
    go_on(None, 0..5);
    go_on(None, 0..3);
    assert_one_curve(&run, 3);
    go_on(Some(&LogOffsets::new()), 3..7);
    assert_one_curve(&run, 7);

    // A log that was lost is made again.
    fs::remove_file(run.table()).unwrap();
    let far = [("log.csv".to_owned(), 1 << 40)].into();
    go_on(Some(&far), 7..9);
    assert_eq!(logged(&run)[1].0, [7, 8]);
    assert_eq!(logged(&run)[0].0, (0..9).collect::<Vec<_>>());
}

/// A log on a full disk: the run and the other logs go on, and a person is told once.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    std::os::unix::fs::symlink("/dev/full", run.table()).unwrap();
    let mut told = Vec::new();
    let mut tell = |event: &Event| told.push(event.clone());
    let mut events = EventSink::open(&run, None, &mut tell);
    events.emit(start(0));
    (0..6).for_each(|update| make_update(&mut events, update));
    events.offsets();
    let messages = told.iter().filter_map(|event| match event {
        Event::Warning { message, .. } => Some(message),
        _ => None,
    });
    let [message] = &messages.collect::<Vec<_>>()[..] else { panic!("told once") };
    let [path, reason] = [run.table().display().to_string(), "No space left on device".to_owned()];
    assert!(message.starts_with(&format!("{path}: {reason}")), "{message}");
    let lines = fs::read_to_string(run.log()).unwrap();
    assert_eq!(lines.matches("No space left on device").count(), 1, "the log says so");
    assert_eq!(lines.matches(r#""event":"step""#).count(), 6);
}

/// At the end of a run its logs are tried again; what is lost then is told.
#[test]
fn the_end_waits_for_the_disk() {
    for is_mended in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        fs::create_dir(run.table()).unwrap(); // no file that could be opened
        let mut told = Vec::new();
        let mut tell = |event: &Event| match event {
            Event::Warning { message, .. } => told.push(message.clone()),
            Event::Step { step: 1, .. } if is_mended => fs::remove_dir(run.table()).unwrap(),
            _ => {}
        };
        let mut events = EventSink::open(&run, None, &mut tell);
        events.emit(start(0));
        (0..2).for_each(|update| make_update(&mut events, update));
        events.finish(&[0, 0]);
        let want = match is_mended {
            true => "written again; nothing was lost".to_owned(),
            false => "2 records cannot be written and are lost".to_owned(),
        };
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].ends_with(&want), "{told:?}");
    }
}

/// Twenty thousand steps of 10 ms: under a hundredth of their time, and nothing that grows.
#[test]
fn logs_cost_next_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let mut ignore = |_: &Event| ();
    let mut events = EventSink::open(&run, None, &mut ignore);
    events.emit(start(0));
    let began = Instant::now();
    for step in 0..20_000 {
        let (loss, rate, images, seconds, waited) = (2.0, 0.01, 8, 0.01, 0.001);
        events.emit(Event::Step { epoch: 0, step, loss, rate, images, seconds, waited });
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!(seconds < 0.01 * 20_000.0 * 0.01, "{seconds} s");
    let bytes = [events.log.memory(), events.table.memory(), events.tensorboard.file.memory()];
    assert!(bytes.iter().all(|bytes| *bytes < 4096), "{bytes:?}");
}
