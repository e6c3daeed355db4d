//! The event file of a run, read back by a reader of its own and, where there is one, by the real
//! TensorBoard.
#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use alexnet_train::{CheckpointEvery, Event, Job, RunFolder, RunLog, Task, train};
use common::{dataset, job, recipe};

/// The CRC-32C of `data`, a bit at a time, rotated and shifted as TensorFlow masks it.
fn masked_crc(data: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    let crc = data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| bit(c)));
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The data of each record.
fn records(mut file: &[u8]) -> Vec<&[u8]> {
    fn take<'a>(file: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = file.split_at(count);
        *file = rest;
        taken
    }
    let mut records = Vec::new();
    while !file.is_empty() {
        let length = take(&mut file, 8);
        assert_eq!(take(&mut file, 4), masked_crc(length).to_le_bytes());
        let data = take(&mut file, u64::from_le_bytes(length.try_into().unwrap()) as usize);
        assert_eq!(take(&mut file, 4), masked_crc(data).to_le_bytes());
        records.push(data);
    }
    records
}

/// The value of a field of a Protocol Buffers message.
#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(self) -> &'a [u8] {
        let Self::Bytes(bytes) = self else { panic!("{self:?} are no bytes") };
        bytes
    }

    fn text(self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn number(self) -> u64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        number
    }
}

/// The fields of a message: number and value.
fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = message.split_first().unwrap();
            *message = rest;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return number;
            }
        }
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = match key & 7 {
            0 => Field::Number(varint(&mut message)),
            kind @ (1 | 5) => {
                let (bytes, rest) = message.split_at(if kind == 1 { 8 } else { 4 });
                message = rest;
                Field::Number(bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
            }
            2 => {
                let length = varint(&mut message) as usize;
                let (bytes, rest) = message.split_at(length);
                message = rest;
                Field::Bytes(bytes)
            }
            kind => panic!("no such wire type: {kind}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

/// The values of a field.
fn all<'a>(message: &[(u64, Field<'a>)], number: u64) -> Vec<Field<'a>> {
    message.iter().filter(|(n, _)| *n == number).map(|(_, value)| *value).collect()
}

/// What an event file holds.
#[derive(Debug, Default)]
struct Events {
    /// Step and value of each scalar, by tag.
    scalars: BTreeMap<String, Vec<(u64, f32)>>,
    /// Step, height, width and PNG file of each picture.
    images: Vec<(u64, u64, u64, Vec<u8>)>,
    texts: Vec<(u64, String)>,
}

fn read(run: &Path) -> Events {
    let folder: Vec<_> = fs::read_dir(run.join("tensorboard")).unwrap().collect();
    assert_eq!(folder.len(), 1, "one file, however often a run is resumed");
    let path = folder[0].as_ref().unwrap().path();
    assert!(path.file_name().unwrap().to_str().unwrap().contains("tfevents"));
    let file = fs::read(path).unwrap();
    let (mut events, mut time) = (Events::default(), 0.0);
    for (place, record) in records(&file).into_iter().enumerate() {
        let event = fields(record);
        let now = f64::from_bits(all(&event, 1)[0].number());
        assert!(now >= time && now > 1.7e9, "time goes on: {time}, then {now}");
        time = now;
        let version: Vec<_> = all(&event, 3).into_iter().map(Field::text).collect();
        assert_eq!(version, if place == 0 { &["brain.Event:2"][..] } else { &[] });
        let step = all(&event, 2).first().map_or(0, |step| step.number());
        for summary in all(&event, 5) {
            for value in all(&fields(summary.bytes()), 1) {
                events.add(step, &fields(value.bytes()));
            }
        }
    }
    events
}

impl Events {
    fn add(&mut self, step: u64, value: &[(u64, Field<'_>)]) {
        let tag = all(value, 1)[0].text();
        if let [number] = all(value, 2)[..] {
            let number = f32::from_bits(number.number() as u32);
            self.scalars.entry(tag.to_owned()).or_default().push((step, number));
        } else if let [image] = all(value, 4)[..] {
            assert_eq!(tag, "kernels/conv1");
            let image = fields(image.bytes());
            let [height, width, colours] = [1, 2, 3].map(|field| all(&image, field)[0].number());
            assert_eq!(colours, 3);
            self.images.push((step, height, width, all(&image, 4)[0].bytes().to_vec()));
        } else {
            assert_eq!(tag, "recipe");
            let tensor = fields(all(value, 8)[0].bytes());
            assert_eq!(all(&tensor, 1)[0].number(), 7, "strings");
            self.texts.push((step, all(&tensor, 8)[0].text().to_owned()));
        }
    }
}

/// A run of two epochs of five steps, resumed after the first.
fn run(folder: &Path) -> Job {
    let data = dataset(folder, 8, 2);
    let job = job(&data, &folder.join("run"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    let job = Job { task: Task::resume(Some(2)), ..job };
    train(&job, &mut |_| ()).unwrap();
    job
}

#[test]
fn the_curves_of_a_resumed_run_are_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let job = run(folder.path());
    let (events, log) = (read(job.run.path()), RunLog::read(&job.run).unwrap());
    let of_steps = ["images_per_second", "loss", "rate", "waited"];
    let of_epochs = [
        "train/error",
        "train/loss",
        "validation/loss",
        "validation/top1_error",
        "validation/top5_error",
    ];
    let steps = |tag: &str| events.scalars[tag].iter().map(|(step, _)| *step).collect::<Vec<_>>();
    of_steps.iter().for_each(|tag| assert_eq!(steps(tag), (0..10).collect::<Vec<_>>(), "{tag}"));
    of_epochs.iter().for_each(|tag| assert_eq!(steps(tag), [5, 10], "{tag}"));
    let values =
        |tag: &str| events.scalars[tag].iter().map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!(values("loss"), log.steps.iter().map(|step| step.loss).collect::<Vec<_>>());
    let shares = log.steps.iter().map(|step| (step.waited / step.seconds) as f32);
    assert_eq!(values("waited"), shares.collect::<Vec<_>>());
    let errors = log.epochs.iter().map(|epoch| epoch.validation.unwrap().top1_error as f32);
    assert_eq!(values("validation/top1_error"), errors.collect::<Vec<_>>());

    let places = events.images.iter().map(|(step, ..)| *step).collect::<Vec<_>>();
    assert_eq!(places, [0, 5, 10], "kernels before the first update and after each epoch");
    for (_, height, width, png) in &events.images {
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let size = |at: usize| u64::from(u32::from_be_bytes(png[at..at + 4].try_into().unwrap()));
        assert_eq!([size(16), size(20)], [*width, *height]);
    }
    assert!(events.images[0].3 != events.images[2].3, "they were trained");
    let texts = events.texts.iter().map(|(step, text)| (*step, text.contains("batch = 16")));
    assert_eq!(texts.collect::<Vec<_>>(), [(0, true)], "once, as it did not change");
}

/// A killed run may leave half a record, and records of steps after its checkpoint, which it makes
/// again.
#[test]
fn no_step_of_a_killed_run_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, 2);
    let [run, killed] = ["run", "killed"].map(|name| RunFolder::new(&folder.path().join(name)));
    let whole = job(&data, run.path(), recipe(&[]));
    let whole = Job { checkpoint_every: CheckpointEvery::Steps(2), ..whole };
    let mut is_saved = false;
    train(&whole, &mut |event| {
        is_saved |= matches!(event, Event::Checkpoint { epoch: 1, .. });
        if let (true, Event::Step { epoch: 1, step: 4, .. }) = (is_saved, event) {
            fs::create_dir_all(killed.tensorboard()).unwrap();
            for name in ["run.json", "checkpoint.safetensors"] {
                fs::copy(run.path().join(name), killed.path().join(name)).unwrap();
            }
            for (from, to) in run.logs().into_iter().zip(killed.logs()) {
                let log = fs::read(from).unwrap();
                fs::write(to, &log[..log.len() - 10]).unwrap();
            }
        }
    })
    .unwrap();
    train(&Job { task: Task::resume(None), ..job(&data, killed.path(), recipe(&[])) }, &mut |_| ())
        .unwrap();
    let [whole, resumed] = [&run, &killed].map(|run| read(run.path()).scalars);
    let tags = |events: &BTreeMap<String, Vec<_>>| events.keys().cloned().collect::<Vec<_>>();
    assert_eq!(tags(&whole), tags(&resumed));
    for (tag, values) in &whole {
        let steps =
            |values: &[(u64, f32)]| values.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!(steps(values), steps(&resumed[tag]), "{tag}");
    }
    assert_eq!(whole["loss"], resumed["loss"]);
    // A TensorBoard that was reading goes on from the same place in the file.
    let length = |run: &RunFolder| fs::metadata(&run.logs()[2]).unwrap().len();
    assert_eq!(length(&run), length(&killed));
    let [whole, resumed] = [&run, &killed].map(|run| fs::read_to_string(run.table()).unwrap());
    let steps = |table: &str| {
        let columns = table.lines().map(|row| row.split(',').take(3).collect::<Vec<_>>().join(","));
        columns.collect::<Vec<_>>()
    };
    assert_eq!(steps(&whole), steps(&resumed));
}

/// Numbers of one kind lie in one column, and every row has all columns.
#[test]
fn the_table_has_a_row_for_each_step_and_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let job = run(folder.path());
    let table = fs::read_to_string(job.run.table()).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let columns = &rows[0];
    assert_eq!(columns[..3], ["epoch", "step", "loss"]);
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (of_epochs, of_steps): (Vec<_>, Vec<_>) =
        rows[1..].iter().partition(|row| row[column("loss")].is_empty());
    let numbers = |rows: &[&Vec<&str>], name: &str| -> Vec<f64> {
        rows.iter().map(|row| row[column(name)].parse().unwrap()).collect()
    };
    assert!(rows.iter().all(|row| row.len() == columns.len()), "{table}");
    assert_eq!(numbers(&of_steps, "step"), (0..10).map(f64::from).collect::<Vec<_>>());
    assert_eq!(numbers(&of_steps, "epoch"), [0., 0., 0., 0., 0., 1., 1., 1., 1., 1.]);
    assert_eq!(numbers(&of_epochs, "step"), [5., 10.]);
    let log = RunLog::read(&RunFolder::new(job.run.path())).unwrap();
    let errors = log.epochs.iter().map(|epoch| epoch.validation.unwrap().top5_error);
    assert_eq!(numbers(&of_epochs, "top5_error"), errors.collect::<Vec<_>>());
    let losses = log.steps.iter().map(|step| f64::from(step.loss));
    let got = numbers(&of_steps, "loss");
    assert!(got.iter().zip(losses).all(|(got, want)| (got - want).abs() < 1e-6), "{table}");
}

/// With `PEER_PY=python`, where that Python has the package `tensorboard`.
#[test]
fn the_real_tensorboard_opens_it() {
    const SCRIPT: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
events.Reload()
tags = events.Tags()
for tag in sorted(tags['scalars']):
    print(tag, [value.step for value in events.Scalars(tag)])
for tag in tags['images']:
    print(tag, [image.step for image in events.Images(tag)])
for tag in tags['tensors']:
    print(tag, [b'batch = 16' in text.tensor_proto.string_val[0] for text in events.Tensors(tag)])
";
    let Ok(python) = std::env::var("PEER_PY") else {
        println!("skipped: PEER_PY names no Python with TensorBoard");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let job = run(folder.path());
    let mut command = Command::new(python);
    let output = command.args(["-c", SCRIPT]).arg(job.run.tensorboard()).output().unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), output.stderr);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&errors));
    let steps = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
    let want = format!(
        "images_per_second {steps}\nloss {steps}\nrate {steps}\ntrain/error [5, 10]\ntrain/loss \
         [5, 10]\nvalidation/loss [5, 10]\nvalidation/top1_error [5, 10]\nvalidation/top5_error \
         [5, 10]\nwaited {steps}\nkernels/conv1 [0, 5, 10]\nrecipe [True]\n"
    );
    assert_eq!(text, want);
}
