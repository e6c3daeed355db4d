//! Tasks of the workspace, run as `cargo xtask <task>`. Thin: the work is in the crates.

#![forbid(unsafe_code)]

mod bench;
mod cuda;
mod output;
mod prepare_data;
mod process;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use self::output::{OutputError, complain};

/// Tasks of the AlexNet workspace
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    PrepareData(prepare_data::Arguments),
    Bench(bench::Arguments),
    Cuda(cuda::Arguments),
}

fn main() -> ExitCode {
    let ended = match Task::try_parse() {
        Ok(task) => run(task),
        Err(text) if !text.use_stderr() => output::help(&text).map_err(Into::into),
        Err(error) => {
            complain(&output::usage(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    let Err(error) = ended else { return ExitCode::SUCCESS };
    if error.downcast_ref().is_some_and(OutputError::reader_is_gone) {
        return ExitCode::SUCCESS;
    }
    complain(&format!("error: {}", output::one_line(&error)));
    ExitCode::FAILURE
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::PrepareData(arguments) => prepare_data::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Cuda(arguments) => cuda::run(&arguments),
    }
}
