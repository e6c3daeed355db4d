//! The program `alexnet`: arguments in, progress and tables out. All work is in the library crates.
#![forbid(unsafe_code)]

mod ablate;
mod bench;
mod class_words;
mod compare;
mod comparison;
mod csv;
mod demo;
mod describe;
mod device;
mod drawing;
mod eval;
mod export;
mod features;
mod figure;
mod file;
mod images;
mod import;
mod inspect;
mod layer_output;
mod logits;
mod message;
mod numbers;
mod output;
mod predict;
mod prepare_data;
mod preset;
mod progress;
mod report;
mod reproduce;
mod runs;
mod selftest;
mod stop;
mod train;
mod verify;
mod watch;
mod weights;
mod width;

use std::process::ExitCode;

use alexnet_train::PoolAllocator;
use anyhow::Result;
use clap::{Parser, Subcommand};

use self::output::{OutputError, complain};
use self::stop::Stopped;
use self::verify::Refused;

/// Each training step allocates the same buffers: the pool reuses those of the previous one.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::new();

/// Train, evaluate, predict with and describe the 2012 network of Krizhevsky, Sutskever and Hinton.
#[derive(Debug, Parser)]
#[command(name = "alexnet", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    PrepareData(prepare_data::Arguments),
    Train(train::Arguments),
    Eval(eval::Arguments),
    Predict(predict::Arguments),
    Figure(figure::Arguments),
    Report(report::Arguments),
    Watch(watch::Arguments),
    Runs(runs::Arguments),
    Compare(compare::Arguments),
    Features(features::Arguments),
    Logits(logits::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Describe(describe::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    Reproduce(reproduce::Arguments),
    Ablate(ablate::Arguments),
    Bench(bench::Arguments),
    Selftest(selftest::Arguments),
}

fn main() -> ExitCode {
    alexnet_data::survive_cut_files();
    let ended = match Arguments::try_parse() {
        Ok(arguments) => run(arguments.command),
        // Help and version are not errors. They have many lines and go to standard output.
        Err(text) if !text.use_stderr() => output::help(&text).map_err(Into::into),
        Err(error) => {
            complain(&message::usage(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    let Err(error) = ended else { return ExitCode::SUCCESS };
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        complain(&message::usage(&error.to_string()));
        return ExitCode::from(2);
    }
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        complain(&stopped.to_string());
        return ExitCode::SUCCESS;
    }
    if error.downcast_ref().is_some_and(OutputError::reader_is_gone) {
        return ExitCode::SUCCESS;
    }
    complain(&format!("error: {}", message::one_line(&error)));
    if error.is::<Refused>() { ExitCode::from(3) } else { ExitCode::FAILURE }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::PrepareData(arguments) => prepare_data::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Figure(arguments) => figure::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::Logits(arguments) => logits::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Ablate(arguments) => ablate::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
    }
}
