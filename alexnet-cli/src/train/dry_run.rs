//! `alexnet train --dry-run`: what a run would take, before anything is written.

use std::time::Duration;

use alexnet_train::{ComputeDevice, DiskNeeds, DryRun, RunFolder, Stop, Task, dry_run};
use anyhow::Result;
use indicatif::{DecimalBytes, HumanDuration};

use super::{Arguments, check_files, processor, task};
use crate::demo;
use crate::describe::grouped;
use crate::output::{Report, complain};
use crate::width::{COLUMNS, fold};

pub(super) fn run(
    arguments: &Arguments,
    devices: &[ComputeDevice],
    print: &dyn Fn(&str),
) -> Result<()> {
    let (task, run) = task(arguments, print)?;
    check_files(&run)?;
    processor::test_unusual(devices, print)?;
    let mut drawn = None; // a demo dataset, which goes again
    let data = match (&arguments.data, &task) {
        (Some(data), _) => data.clone(),
        (None, Task::Resume { .. }) => run.config()?.data,
        (None, Task::Start { .. }) => demo::try_dataset(print, &mut drawn)?,
    };
    let job = arguments.job(&data, run.clone(), task, devices, &Stop::default());
    let tried = dry_run(&job)?;
    for warning in &tried.warnings {
        complain(&format!("warning: {warning}"));
    }
    if arguments.json {
        writeln!(Report, "{}", serde_json::to_string(&tried)?)?;
    } else {
        for line in lines(&tried, &run, arguments.seeds.unwrap_or(1)) {
            writeln!(Report, "{}", fold(&line, COLUMNS))?;
        }
    }
    Ok(())
}

/// What was found, in lines.
fn lines(tried: &DryRun, run: &RunFolder, seeds: u64) -> Vec<String> {
    let DryRun { network, recipe, epochs, .. } = tried;
    let [images, classes, steps, left] =
        [tried.images, tried.classes, tried.steps_per_epoch, tried.steps_left]
            .map(|number| grouped(number as u64));
    let mut lines = vec![
        format!("network {network} ({} parameters), recipe {recipe}", grouped(tried.parameters)),
        format!("{images} images of {classes} classes, {epochs} epochs of {steps} steps"),
    ];
    if let Some(seconds) = tried.step_seconds {
        let speed = tried.images as f64 / (tried.steps_per_epoch as f64 * seconds);
        let waited = 100.0 * tried.waited_seconds / seconds;
        let time = duration(seconds);
        lines.push(format!(
            "step        {time}, {waited:.0} % of it waiting for images; {speed:.0} images/s"
        ));
    }
    if let Some(seconds) = tried.validation_seconds {
        lines.push(format!("validation  {}", duration(seconds)));
    }
    let time = duration(tried.seconds() * seeds as f64);
    let runs = if seeds > 1 { format!("{seeds} runs of ") } else { String::new() };
    lines.push(format!("time        {time} for {runs}{left} steps"));
    if let Some(bytes) = tried.memory {
        lines.push(format!("memory      {}{}", DecimalBytes(bytes), of(tried.available_memory)));
    }
    for (used, total) in &tried.gpu_memory {
        lines.push(format!("on the GPU  {} of {}", DecimalBytes(*used), DecimalBytes(*total)));
    }
    let DiskNeeds { checkpoint, checkpoints, weights, logs, free, .. } = &tried.disk;
    let disk = DecimalBytes(tried.disk.total() * seeds);
    lines.push(format!("disk        {disk}{} in {}", of(*free), run.path().display()));
    let [checkpoint, weights, logs] = [checkpoint, weights, logs].map(|bytes| DecimalBytes(*bytes));
    lines.push(format!(
        "            up to {checkpoints} checkpoints of {checkpoint}, weights of {weights}, \
         logs of {logs}"
    ));
    lines.push("nothing was written".to_owned());
    lines
}

fn duration(seconds: f64) -> String {
    // What no clock can count is forever.
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    match seconds {
        ..1.0 => format!("{:.1} ms", 1e3 * seconds),
        ..10.0 => format!("{seconds:.2} s"),
        _ => HumanDuration(time).to_string(),
    }
}

fn of(all: Option<u64>) -> String {
    all.map_or(String::new(), |bytes| format!(" of {} that are free", DecimalBytes(bytes)))
}
