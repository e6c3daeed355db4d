//! Tasks of the workspace, run as `cargo xtask <task>`. Thin: the work is in the crates.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this program talks to people

mod bench;
mod cuda;
mod part;
mod prepare;
mod progress;
mod size;

use clap::Parser;
use std::process::ExitCode;

/// Tasks of the AlexNet workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    PrepareData(prepare::Arguments),
    Bench(bench::Arguments),
    Cuda(cuda::Arguments),
}

fn main() -> ExitCode {
    let task = match Task::try_parse() {
        Ok(task) => task,
        // Help and version are no errors; they are many lines and go to standard output.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("{}", usage_line(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    let result = match task {
        Task::PrepareData(arguments) => prepare::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Cuda(arguments) => cuda::run(&arguments),
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

/// The error and its causes in one line, without saying a thing twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    line
}
