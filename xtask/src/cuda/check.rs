//! The CUDA side where there is no GPU: every kernel compiled, everything type-checked, the program
//! tested on emulated GPUs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::{build, folder, kernels, root, toolkit};
use crate::output::Report;
use crate::process::succeed;

pub(super) fn check(need_nvcc: bool) -> Result<()> {
    match toolkit::nvcc() {
        Some(nvcc) => kernels(&nvcc)?,
        None if need_nvcc => {
            bail!("there is no nvcc: install the CUDA toolkit or run `cargo xtask cuda toolkit`")
        }
        None => writeln!(Report, "kernels: there is no nvcc, so they were not compiled for GPUs")?,
    }
    let mut clippy = build::without_compiler(&folder())?;
    clippy.args(["clippy", "--locked", "--workspace", "--all-targets", "--features"]);
    clippy.args([build::FEATURES, "--", "-D", "warnings"]);
    succeed(&mut clippy).context("the feature `cuda` does not type-check")
}

/// Runs the tests on emulated GPUs; `tests/emulator` of alexnet-kernels says what those are.
pub(super) fn test(arguments: &[String]) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the emulator is linked on x86-64 Linux only")
    }
    let mut test = build::without_compiler(&folder())?;
    test.args(["test", "--locked", "--workspace", "--features", build::FEATURES]);
    test.args(["--test", "emulator"]).args(arguments);
    succeed(&mut test).context("a test on the emulator fails")
}

/// Compiles every `.cu` and holds it to its limits.
fn kernels(nvcc: &Path) -> Result<()> {
    let (began, crate_folder) = (Instant::now(), root().join("alexnet-kernels"));
    let mut sources = Vec::new();
    sources_in(&crate_folder.join("src"), &mut sources)?;
    ensure!(!sources.is_empty(), "{} has no kernels", crate_folder.display());
    let out = folder().join("kernels");
    let said = kernels::check(nvcc, &sources, &crate_folder.join("src/cuda"), &out)?;
    writeln!(Report, "{said}\ncompiled by {} in {} s", nvcc.display(), began.elapsed().as_secs())?;
    Ok(())
}

/// The kernels in a folder and those below it.
fn sources_in(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources_in(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "cu") {
            found.push(path);
        }
    }
    Ok(())
}
