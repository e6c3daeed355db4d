//! `cargo xtask prepare-data`: builds the program `alexnet` and becomes its command `prepare-data`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Error, Result};

use crate::process;

/// Turn images on disk into a dataset, as `alexnet prepare-data` does
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Those of `alexnet prepare-data`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// On Unix this process is replaced by cargo, and cargo by the program: the streams, the signals
/// and the exit code are the program's own.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut program = process::cargo();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    program.args(["run", "--release", "--package", "alexnet-cli", "--manifest-path"]);
    program.arg(manifest).args(["--", "prepare-data"]).args(&arguments.arguments);
    Err(start(&mut program)).context("cannot run cargo")
}

#[cfg(unix)]
fn start(program: &mut std::process::Command) -> Error {
    std::os::unix::process::CommandExt::exec(program).into()
}

#[cfg(not(unix))]
fn start(program: &mut std::process::Command) -> Error {
    match program.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error.into(),
    }
}
