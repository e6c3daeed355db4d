//! The program `alexnet`: arguments in, progress and tables out; all work is in the library crates.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this crate talks to people

mod bench;
mod demo;
mod describe;
mod device;
mod eval;
mod inspect;
mod predict;
mod prepare_data;
mod preset;
mod progress;
mod selftest;
mod train;
mod verify;

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
        // Help and version are no errors; they are many lines and go to standard output.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("{}", usage_line(&error.to_string()));
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
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// What clap says of wrong arguments in one line: the fault, the nearest right one, where to look.
fn usage_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    let said: Vec<&str> = lines
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .collect();
    format!("{}; see --help", said.join(" "))
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
    // Training says beforehand which batch fits; elsewhere the driver's name for it is all there
    // is.
    if line.contains("OUT_OF_MEMORY") || line.contains("ALLOC_FAILED") {
        line += "; the GPU has too little free memory: end other programs on it, or give a \
                 smaller batch";
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_says_what_to_do() {
        let error = anyhow::anyhow!(
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n  0: a backtrace"
        );
        let error = error.context("lrn");
        let line = one_line(&error);
        assert!(line.starts_with("lrn: DriverError(CUDA_ERROR_OUT_OF_MEMORY"), "{line}");
        assert!(line.ends_with("smaller batch") && !line.contains('\n'), "{line}");
        assert_eq!(
            one_line(&anyhow::anyhow!("no such file").context("no such file")),
            "no such file"
        );
    }
}
