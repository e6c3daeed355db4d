//! The program `alexnet`: arguments in, progress and tables out. All work is in the library crates.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this program talks to people

mod bench;
mod demo;
mod describe;
mod device;
mod eval;
mod inspect;
mod message;
mod predict;
mod prepare_data;
mod preset;
mod progress;
mod selftest;
mod train;
mod verify;
mod weights;

use std::process::ExitCode;

use alexnet_train::PoolAllocator;
use clap::{Parser, Subcommand};

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
    Describe(describe::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    Bench(bench::Arguments),
    Selftest(selftest::Arguments),
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        // Help and version are not errors. They have many lines and go to standard output.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("{}", message::usage(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::PrepareData(arguments) => prepare_data::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", message::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
