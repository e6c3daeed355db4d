//! `cargo xtask cuda`: the CUDA side on a machine that has neither a GPU nor, perhaps, a toolkit.

mod build;
mod bundle;
mod check;
mod cubin;
mod kernels;
mod lazy;
mod toolkit;

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Check and test the CUDA side without a GPU, or build one program for machines with and without
/// one
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Put NVIDIA's compiler from PyPI into target/cuda/toolkit (105 MB, needs python3 with pip)
    Toolkit,
    /// Type-check with the feature `cuda`, and compile every kernel if there is a compiler: its
    /// registers, spills, instructions and loads must be within limits
    Check {
        /// Fail where there is no CUDA compiler
        #[arg(long)]
        need_nvcc: bool,
    },
    /// Run the program with CUDA on emulated GPUs: self-test, training, faults (x86-64 Linux, needs
    /// c++)
    Test {
        /// Those of `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the program with CUDA as one file for x86-64 Linux that also starts without a GPU
    Bundle {
        /// The oldest compute capability it runs on: 80 for Ampere (bf16 needs it) and newer, 90
        /// for Hopper alone
        #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u32).range(80..=999))]
        arch: u32,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.task {
        Task::Toolkit => toolkit::install(),
        Task::Check { need_nvcc } => check::check(*need_nvcc),
        Task::Test { arguments } => check::test(arguments),
        Task::Bundle { arch } => bundle::bundle(*arch),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of what these tasks make, apart from what cargo builds.
fn folder() -> PathBuf {
    root().join("target/cuda")
}
