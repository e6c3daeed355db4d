//! `cargo xtask cuda`: the CUDA side on a machine that has neither a card nor, perhaps, a toolkit.

mod bundle;
mod check;
mod lazy;
mod stand_in;
mod toolkit;
mod trials;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Get a compiler, check the CUDA side without a card, or build one program for machines with and without one
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Put NVIDIA's compiler from PyPI into target/cuda/toolkit (105 MB, needs python3 with pip)
    Toolkit,
    /// Type-check with the feature `cuda`, and compile every kernel if there is a compiler
    Check {
        /// Fail where there is no CUDA compiler
        #[arg(long)]
        need_nvcc: bool,
    },
    /// Build the program `alexnet` with CUDA as one file for x86-64 Linux that also starts where there is none
    Bundle {
        /// The oldest compute capability it runs on: 80 for Ampere and all newer cards, 90 for Hopper alone
        #[arg(long, default_value_t = 80)]
        arch: u32,
    },
    /// Run the program with CUDA on libraries that stand in for cards, on the processor: self-test, training, faults
    StandIn {
        /// Only build both and say how to run the program on them
        #[arg(long)]
        build_only: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match arguments.task {
        Task::Toolkit => toolkit::install(),
        Task::Check { need_nvcc } => check::check(need_nvcc),
        Task::Bundle { arch } => bundle::bundle(arch),
        Task::StandIn { build_only } => stand_in::stand_in(build_only),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything of this task lies here, apart from what cargo builds elsewhere: nvcc, its stand-in, and their builds.
fn folder() -> PathBuf {
    root().join("target/cuda")
}

/// Writes a script that can be run.
fn executable(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
