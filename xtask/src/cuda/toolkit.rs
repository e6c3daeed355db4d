//! NVIDIA's compiler: where it may be, and from PyPI where it is not.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::folder;
use crate::output::Report;

/// One CUDA version for all parts, the first whose PTX a driver 580 takes; unpinned, pip mixes
/// versions.
const WHEELS: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

pub(super) fn install() -> Result<()> {
    let folder = folder().join("toolkit");
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(&folder)
        .args(WHEELS)
        .status()
        .context("cannot run python3")?;
    ensure!(status.success(), "pip could not install {}", WHEELS.join(" "));
    let nvcc = installed().context("pip installed no nvcc")?;
    writeln!(Report, "{}", nvcc.display())?;
    Ok(())
}

/// What `install` installed.
fn installed() -> Option<PathBuf> {
    let nvcc = folder().join("toolkit/nvidia/cu13/bin/nvcc");
    nvcc.exists().then_some(nvcc)
}

/// A CUDA compiler, where the build script of alexnet-kernels looks, and last the one `install`
/// installed.
pub(super) fn nvcc() -> Option<PathBuf> {
    if let Some(nvcc) = std::env::var_os("NVCC") {
        return Some(nvcc.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin")));
    folders.push("/usr/local/cuda/bin".into());
    folders.into_iter().map(|f| f.join("nvcc")).find(|nvcc| nvcc.exists()).or_else(installed)
}
