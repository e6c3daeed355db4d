//! `alexnet train --seeds N`: runs that differ in nothing but their seed, and their ensemble.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, Views, check_replaceable, write_atomic};
use alexnet_train::{
    ComputeDevice, Ended, Ensemble, Evaluation, RunFolder, Task, data_checksum, evaluate_ensemble,
};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::screen::Screen;
use super::{Arguments, check_files, processor, start};
use crate::demo;
use crate::eval::networks::Networks;
use crate::output::tell;
use crate::progress::with_bar;

/// One of the runs.
struct SeedRun {
    seed: u64,
    run: RunFolder,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Missing,
    Unfinished,
    Finished,
}

/// `ensemble.json`: the error rates of each run and of all together, with the centre view and with
/// ten views.
#[derive(Serialize)]
struct SeedsReport {
    members: Vec<MemberReport>,
    ensemble: Vec<Evaluation>,
}

#[derive(Serialize)]
struct MemberReport {
    seed: u64,
    run: String,
    validation: Vec<Evaluation>,
}

pub(super) fn run(
    arguments: &Arguments,
    count: u64,
    devices: &[ComputeDevice],
    print: &dyn Fn(&str),
) -> Result<()> {
    let (task, parent) = start(arguments, print)?;
    let first = arguments.seed.unwrap_or(1);
    ensure!(first.checked_add(count - 1).is_some(), "--seed {first}: no {count} seeds follow it");
    let report = parent.join("ensemble.json");
    check_replaceable(&report)?;
    let folder = match &arguments.data {
        Some(data) => data.clone(),
        None => demo::dataset(print)?,
    };
    let data = Dataset::open(&folder)?;
    let mut runs = Vec::new();
    for seed in first..first + count {
        let run = RunFolder::new(&parent.join(format!("seed-{seed}")));
        check_files(&run)?;
        let state = state(&run, &with_seed(&task, seed), &data)?;
        let name = run.path().display();
        ensure!(
            state == State::Missing || arguments.resume,
            "{name} already holds a run; go on by --resume, or name another folder with --run"
        );
        runs.push(SeedRun { seed, run, state });
    }
    processor::test_unusual(devices, print)?;
    let stop = arguments.unattended.stop()?;
    for SeedRun { seed, run, state } in &runs {
        let name = run.path().display();
        let task = match (state, with_seed(&task, *seed)) {
            (State::Finished, _) => {
                print(&format!("{name} is finished"));
                continue;
            }
            (State::Unfinished, Task::Start { recipe, .. }) => {
                print(&format!("{name} goes on"));
                Task::resume(Some(recipe.epochs))
            }
            (_, task) => {
                print(&format!("{name} begins"));
                task
            }
        };
        let job = arguments.job(&folder, run.clone(), task, devices, &stop);
        let mut screen = Screen::new(arguments.json);
        let ended = alexnet_train::train(&job, &mut |event| screen.show(event))?;
        if let Ended::Stopped { reason } = ended {
            print(&format!("stopped by {reason}; give the same command with --resume to go on"));
            return Ok(());
        }
    }
    let found = evaluate(arguments, &runs, &data, devices)?;
    let text = serde_json::to_string_pretty(&found)?;
    write_atomic(&report, |file| writeln!(file, "{text}"))?;
    if arguments.json {
        tell(&serde_json::to_string(&found)?);
    } else {
        found.table(&report).iter().for_each(|line| tell(line));
    }
    Ok(())
}

/// The same task with another seed.
fn with_seed(task: &Task, number: u64) -> Task {
    let mut task = task.clone();
    if let Task::Start { seed, .. } = &mut task {
        *seed = number;
    }
    task
}

/// How far the run in a folder is, which has to be the one that `task` would start, but for its
/// number of epochs.
fn state(run: &RunFolder, task: &Task, data: &Dataset) -> Result<State> {
    let Task::Start { recipe, network, seed, statistics, pretrained } = task else {
        return Ok(State::Missing);
    };
    if !run.path().join("run.json").exists() {
        return Ok(State::Missing);
    }
    let config = run.config()?;
    let mut asked = recipe.clone();
    asked.epochs = config.recipe.epochs;
    let network = network.as_ref().clone().with_classes(data.manifest().classes.len());
    let differs = [
        ("recipe", *asked != config.recipe),
        ("network", network != config.network),
        ("seed", *seed != config.seed),
        ("dataset", data_checksum(data)? != config.data_checksum),
        ("statistics", *statistics != config.statistics),
        ("--init", pretrained.is_some() != config.pretrained.is_some()),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        let name = run.path().display();
        anyhow::bail!("{name} began with another {what}: give the command that it began with");
    }
    let finished = recipe.epochs == config.recipe.epochs && has_ended(run)?;
    Ok(if finished { State::Finished } else { State::Unfinished })
}

/// Whether the last line of a run's log says that it is complete.
fn has_ended(run: &RunFolder) -> Result<bool> {
    let path = run.log();
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file.with_context(|| path.display().to_string())?,
    };
    let mut end = || {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(1 << 16)))?;
        let mut bytes = Vec::new();
        (&mut file).take(1 << 16).read_to_end(&mut bytes).map(|_| bytes)
    };
    let end = end().with_context(|| path.display().to_string())?;
    let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let event: Value = serde_json::from_slice(last).unwrap_or_default();
    Ok(event["event"] == "end" && run.weights().is_file())
}

/// Each run's final weights, and all of them together, on the validation images, if there are any.
fn evaluate(
    arguments: &Arguments,
    runs: &[SeedRun],
    data: &Dataset,
    devices: &[ComputeDevice],
) -> Result<SeedsReport> {
    let member = |SeedRun { seed, .. }: &SeedRun| MemberReport {
        seed: *seed,
        run: format!("seed-{seed}"),
        validation: Vec::new(),
    };
    let mut report =
        SeedsReport { members: runs.iter().map(member).collect(), ensemble: Vec::new() };
    let Ok(split) = data.split("val") else { return Ok(report) };
    let paths: Vec<PathBuf> = runs.iter().map(|run| run.run.weights()).collect();
    let networks = Networks::load(&paths, Some((data, split)), devices)?;
    for views in [Views::One, Views::Ten] {
        let mut ensemble = Ensemble { networks: networks.members(), saved: Vec::new() };
        let (alone, together) = with_bar("ensemble", |bar| {
            let mut progress = |images: usize| bar(images as u64, split.len() as u64);
            let threads = arguments.loader_threads;
            evaluate_ensemble(&mut ensemble, split, views, threads, &mut progress)
        })?;
        for (member, evaluation) in report.members.iter_mut().zip(alone) {
            member.validation.push(evaluation);
        }
        report.ensemble.push(together);
    }
    Ok(report)
}

impl SeedsReport {
    fn table(&self, path: &Path) -> Vec<String> {
        let row = |name: &str, errors: &[Evaluation]| {
            let numbers = errors.iter().flat_map(|e| [e.top1_error, e.top5_error]);
            let numbers: String = numbers.map(|error| format!("  {error:>9.2} %")).collect();
            format!("{name:<12}{numbers}")
        };
        let mut lines = vec![format!(
            "{:<12}  {:>11}  {:>11}  {:>11}  {:>11}",
            "validation", "centre top1", "top5", "ten top1", "top5"
        )];
        let members = self.members.iter();
        lines.extend(members.map(|m| row(&format!("seed {}", m.seed), &m.validation)));
        lines.push(row("ensemble", &self.ensemble));
        if self.ensemble.is_empty() {
            lines = vec!["no validation images, so no error rates".to_owned()];
        }
        lines.push(format!("report   {}", path.display()));
        lines
    }
}
