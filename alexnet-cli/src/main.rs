//! The program `alexnet`: arguments in, progress and tables out; all work is in the library crates.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this crate talks to people

mod bench;
mod demo;
mod describe;
mod eval;
mod predict;
mod preset;
mod progress;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Train, evaluate, predict with and describe the 2012 network of Krizhevsky, Sutskever and Hinton.
#[derive(Debug, Parser)]
#[command(name = "alexnet", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Arguments),
    Eval(eval::Arguments),
    Predict(predict::Arguments),
    Describe(describe::Arguments),
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    // Each step asks for the memory of the one before.
    alexnet_train::keep_freed_memory();
    let result = match Arguments::parse().command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes in one line, without a backtrace and without saying a thing twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        // candle appends a backtrace to its messages, a line below.
        let text = cause.to_string();
        let text = text.lines().next().unwrap_or_default().trim();
        if !line.contains(text) {
            line = if line.is_empty() { text.to_owned() } else { format!("{line}: {text}") };
        }
    }
    line
}
