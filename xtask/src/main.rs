//! Tasks of the workspace, run as `cargo xtask <task>`. Thin: the work is in the crates.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this program talks to people

mod prepare;
mod progress;

use clap::Parser;
use std::process::ExitCode;

/// Tasks of the AlexNet workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    PrepareData(prepare::Arguments),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::PrepareData(arguments) => prepare::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
