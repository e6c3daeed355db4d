//! `cargo xtask cuda`: the CUDA side on a machine that has neither a card nor, perhaps, a toolkit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

/// Get a compiler, or check the CUDA side without a card
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
}

/// One CUDA version for all parts, the first whose PTX a driver 580 takes; unpinned, pip mixes versions.
const WHEELS: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

/// Cards the kernels are assembled for in a check: Ampere, Hopper.
const CARDS: [&str; 2] = ["sm_80", "sm_90"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match arguments.task {
        Task::Toolkit => toolkit(),
        Task::Check { need_nvcc } => check(need_nvcc),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything of this task lies here, apart from what cargo builds elsewhere: nvcc, its stand-in, and their builds.
fn folder() -> PathBuf {
    root().join("target/cuda")
}

fn toolkit() -> Result<()> {
    let folder = folder().join("toolkit");
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(&folder)
        .args(WHEELS)
        .status()
        .context("cannot run python3")?;
    ensure!(status.success(), "pip could not install {}", WHEELS.join(" "));
    let nvcc = installed().context("pip installed no nvcc")?;
    println!("{}", nvcc.display());
    Ok(())
}

/// What `toolkit` installed.
fn installed() -> Option<PathBuf> {
    let nvcc = folder().join("toolkit/nvidia/cu13/bin/nvcc");
    nvcc.exists().then_some(nvcc)
}

/// A CUDA compiler, where the build script of alexnet-kernels looks, and last the one `toolkit` installed.
fn nvcc() -> Option<PathBuf> {
    if let Some(nvcc) = std::env::var_os("NVCC") {
        return Some(nvcc.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin")));
    folders.push("/usr/local/cuda/bin".into());
    folders.into_iter().map(|f| f.join("nvcc")).find(|nvcc| nvcc.exists()).or_else(installed)
}

fn check(need_nvcc: bool) -> Result<()> {
    match nvcc() {
        Some(nvcc) => kernels(&nvcc)?,
        None if need_nvcc => {
            bail!("there is no nvcc: install the CUDA toolkit or run `cargo xtask cuda toolkit`")
        }
        None => println!("kernels: there is no nvcc, so they were not compiled for cards"),
    }
    types()
}

/// Every `.cu` compiled for each of [`CARDS`]: what a card's own assembler refuses is seen too.
fn kernels(nvcc: &Path) -> Result<()> {
    let began = Instant::now();
    let (sources, out) = (root().join("alexnet-kernels/cuda"), folder().join("kernels"));
    fs::create_dir_all(&out)?;
    let mut count = 0;
    for source in fs::read_dir(&sources)? {
        let source = source?.path();
        if source.extension().is_none_or(|e| e != "cu") {
            continue;
        }
        for card in CARDS {
            let name = format!("{}-{card}.cubin", source.file_stem().unwrap_or_default().display());
            let status = Command::new(nvcc)
                .args([
                    "-cubin",
                    "-O3",
                    "-std=c++17",
                    "-prec-sqrt=false",
                    "-Werror",
                    "all-warnings",
                ])
                .args(["-arch", card, "-o"])
                .arg(out.join(name))
                .arg(&source)
                .status()
                .with_context(|| format!("cannot run {}", nvcc.display()))?;
            ensure!(status.success(), "{} does not compile for {card}", source.display());
        }
        count += 1;
    }
    ensure!(count > 0, "{} has no kernels", sources.display());
    let (nvcc, seconds) = (nvcc.display(), began.elapsed().as_secs_f64());
    println!(
        "kernels: {count} files compiled for {} by {nvcc} in {seconds:.0} s",
        CARDS.join(" and ")
    );
    Ok(())
}

/// Clippy over everything with the feature `cuda`, nvcc replaced by a script that makes empty files: nothing is
/// linked. Builds apart from all others, since candle's kernels are not built again when the compiler changes.
fn types() -> Result<()> {
    let began = Instant::now();
    let stand_in = folder().join("stand-in/nvcc");
    fs::create_dir_all(folder().join("stand-in"))?;
    fs::write(&stand_in, STAND_IN)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))?;
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["clippy", "--locked", "--package", "alexnet-kernels", "--package", "alexnet-cli"])
        .args(["--all-targets", "--features", "alexnet-kernels/cuda,alexnet-cli/cuda"])
        .args(["--", "-D", "warnings"])
        .env("NVCC", stand_in.canonicalize()?)
        .env("CUDARC_CUDA_VERSION", "13000")
        .env("CUDA_COMPUTE_CAP", "80")
        .env("CARGO_TARGET_DIR", folder().join("check"))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the feature `cuda` does not type-check");
    println!("types: the feature `cuda` passes in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Answers for nvcc where nothing will run: says a version, and leaves an empty file wherever one is asked for.
const STAND_IN: &str = r#"#!/bin/sh
for last; do :; done
folder=.
while [ $# -gt 0 ]; do
  case $1 in
    --version) printf 'nvcc: stands in for the compiler\n\n\nCuda compilation tools, release 13.0, V13.0.0\n'; exit ;;
    -o | --output-file) output=$2; shift ;;
    --output-directory) folder=$2; shift ;;
  esac
  shift
done
: > "${output:-$folder/$(basename "$last" .cu).ptx}"
"#;
