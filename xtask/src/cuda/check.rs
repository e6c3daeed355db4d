//! The CUDA side where there is no GPU: every kernel compiled, everything type-checked, the program
//! tested on emulated GPUs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::{build, folder, root, toolkit};
use crate::process::succeed;

/// The GPUs for which kernels are assembled in a check: Ampere, Hopper.
const GPUS: [&str; 2] = ["sm_80", "sm_90"];

pub(super) fn check(need_nvcc: bool) -> Result<()> {
    match toolkit::nvcc() {
        Some(nvcc) => kernels(&nvcc)?,
        None if need_nvcc => {
            bail!("there is no nvcc: install the CUDA toolkit or run `cargo xtask cuda toolkit`")
        }
        None => println!("kernels: there is no nvcc, so they were not compiled for GPUs"),
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

/// Compiles every `.cu` for each of [`GPUS`]: what the GPU's own assembler refuses is seen too.
fn kernels(nvcc: &Path) -> Result<()> {
    let began = Instant::now();
    let (crate_folder, out) = (root().join("alexnet-kernels"), folder().join("kernels"));
    fs::create_dir_all(&out)?;
    let mut sources = Vec::new();
    sources_in(&crate_folder.join("src"), &mut sources)?;
    ensure!(!sources.is_empty(), "{} has no kernels", crate_folder.display());
    let mut running = Vec::new();
    for (source, gpu) in sources.iter().flat_map(|source| GPUS.map(|gpu| (source, gpu))) {
        let name = format!("{}-{gpu}.cubin", source.file_stem().unwrap_or_default().display());
        let mut command = Command::new(nvcc);
        command.args(["-cubin", "-O3", "-std=c++17", "-prec-sqrt=false"]);
        command.args(["-Werror", "all-warnings", "-arch", gpu, "-I"]);
        command.arg(crate_folder.join("src/cuda")).arg("-o").arg(out.join(name)).arg(source);
        let child = command.spawn().with_context(|| format!("cannot run {}", nvcc.display()))?;
        running.push((child, source, gpu));
    }
    for (mut child, source, gpu) in running {
        ensure!(child.wait()?.success(), "{} does not compile for {gpu}", source.display());
    }
    let (count, gpus, seconds) = (sources.len(), GPUS.join(" and "), began.elapsed().as_secs());
    println!("kernels: {count} files compiled for {gpus} by {} in {seconds} s", nvcc.display());
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
