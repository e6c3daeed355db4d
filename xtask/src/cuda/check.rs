//! The CUDA side where there is no card: every kernel compiled, everything type-checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::toolkit::nvcc;
use super::{executable, folder, root};

/// Cards the kernels are assembled for in a check: Ampere, Hopper.
const CARDS: [&str; 2] = ["sm_80", "sm_90"];

pub(super) fn check(need_nvcc: bool) -> Result<()> {
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
    let (sources, out) = (root().join("alexnet-kernels/src"), folder().join("kernels"));
    fs::create_dir_all(&out)?;
    let mut count = 0;
    for source in kernel_files()? {
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
                .arg("-I")
                .arg(sources.join("cuda"))
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

/// Every `alexnet-kernels/src/ops/*/*.cu`.
pub(super) fn kernel_files() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for operation in fs::read_dir(root().join("alexnet-kernels/src/ops"))? {
        let operation = operation?.path();
        if operation.is_dir() {
            found.extend(super::stand_in::files(&operation, "cu")?);
        }
    }
    found.sort();
    Ok(found)
}

/// Clippy over everything with the feature `cuda`, nvcc replaced by a script that makes empty files: nothing is
/// linked. Builds apart from all others, since candle's kernels are not built again when the compiler changes.
fn types() -> Result<()> {
    let began = Instant::now();
    let stand_in = folder().join("stand-in/nvcc");
    executable(&stand_in, STAND_IN)?;
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
pub(super) const STAND_IN: &str = r#"#!/bin/sh
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
