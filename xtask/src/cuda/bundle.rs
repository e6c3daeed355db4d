//! One program for machines with a GPU and for those without: `alexnet`, stripped, with every
//! kernel inside.
//!
//! It needs nothing but the C library to start. It opens the CUDA libraries when a GPU is asked for
//! ([`super::lazy`]).

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::{build, folder, toolkit};
use crate::output::Report;
use crate::process::succeed;

/// The most that a program to be copied around may have, in bytes.
const MOST: u64 = 60 << 20;

/// Builds it and says how to run it.
pub(super) fn bundle(arch: u32) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the bundle is made on x86-64 Linux; elsewhere, build with --features cuda")
    }
    let began = Instant::now();
    let nvcc = toolkit::nvcc()
        .context("there is no nvcc: install the CUDA toolkit or run `cargo xtask cuda toolkit`")?;
    let folder = folder().join(format!("bundle-{arch}"));
    let mut cargo = build::cargo(&folder, &nvcc, &arch.to_string())?;
    let (folder, target) = (folder.canonicalize()?, folder.join("target"));
    cargo
        .args(["build", "--locked", "--release", "--package", "alexnet-cli", "--features", "cuda"])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    succeed(&mut cargo).context("the program does not build with --features cuda")?;
    let (built, out) = (target.join("release/alexnet"), folder.join("alexnet"));
    fs::copy(&built, &out).with_context(|| built.display().to_string())?;
    let bytes = fs::metadata(&out)?.len();
    ensure!(bytes <= MOST, "{} has {bytes} bytes, more than {MOST}", out.display());
    let (seconds, megabytes) = (began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    // candle's build takes 90 for 90a, whose code runs on this one alone.
    let (major, minor, others) =
        (arch / 10, arch % 10, if arch == 90 { "alone" } else { "and newer" });
    let gpus = format!("compute capability {major}.{minor} {others}");
    writeln!(Report, "{}\n{megabytes:.1} MB, built in {seconds:.0} s for {gpus}", out.display())?;
    writeln!(
        Report,
        "Copy it to a machine with an NVIDIA driver, cuBLAS, cuRAND and cuDNN 9, and run\n  \
         ./alexnet selftest --device cuda:0\n\
         with those libraries' folders in LD_LIBRARY_PATH; bench/gpu.sh finds them in PyTorch's \
         packages"
    )?;
    Ok(())
}
