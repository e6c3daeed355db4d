//! Tasks of the workspace, run as `cargo xtask <task>`. Thin: the work is in the crates.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this program talks to people

mod bench;
mod cuda;
mod prepare_data;
mod process;

use std::process::ExitCode;

use clap::Parser;

/// Tasks of the AlexNet workspace
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    PrepareData(prepare_data::Arguments),
    Bench(bench::Arguments),
    Cuda(cuda::Arguments),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::PrepareData(arguments) => prepare_data::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Cuda(arguments) => cuda::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
