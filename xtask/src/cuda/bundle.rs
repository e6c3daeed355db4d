//! One program for machines with a card and for those without: `alexnet`, stripped, with every kernel inside.
//!
//! It needs nothing but the C library to start. The CUDA libraries are opened when a card is asked for ([`lazy`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{executable, folder, lazy, root, toolkit};

/// The most that a program to be copied around may have, in bytes.
const MOST: u64 = 60 << 20;

/// Builds it and says how to run it.
pub(super) fn bundle(arch: u32) -> Result<()> {
    ensure!(arch >= 80, "--arch {arch}: bf16 needs 80 (Ampere) or newer");
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the bundle is made on x86-64 Linux; elsewhere, build with --features cuda")
    }
    let began = Instant::now();
    let nvcc = toolkit::nvcc()
        .context("there is no nvcc: install the CUDA toolkit or run `cargo xtask cuda toolkit`")?;
    let folder = folder().join(format!("bundle-{arch}"));
    let built = program(&folder, &nvcc, arch)?;
    let out = folder.canonicalize()?.join("alexnet");
    fs::copy(&built, &out).with_context(|| built.display().to_string())?;
    let bytes = fs::metadata(&out)?.len();
    ensure!(bytes <= MOST, "{} has {bytes} bytes, more than {MOST}", out.display());
    let (seconds, megabytes) = (began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    println!("{}\n{megabytes:.1} MB, built in {seconds:.0} s for {}", out.display(), cards(arch));
    println!("Copy it to a machine with an NVIDIA driver, cuBLAS, cuRAND and cuDNN 9, and run");
    println!("  ./alexnet selftest --device cuda:0");
    println!(
        "with those libraries' folders in LD_LIBRARY_PATH; bench/gpu.sh finds them in PyTorch's packages"
    );
    Ok(())
}

/// Builds the program in `folder` with this nvcc, and gives its path there.
pub(super) fn program(folder: &Path, nvcc: &Path, arch: u32) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let (cudarc, kernels) = (sources("cudarc")?, sources("candle-kernels")?);
    lazy::archives(&cudarc, &folder.join("prefix/lib"))?;
    let absent = absent(&kernels, &folder)?;
    let slim = folder.join("nvcc");
    let quoted = |path: &Path| format!("'{}'", path.display());
    executable(&slim, &SLIM.replace("NVCC", &quoted(nvcc)).replace("ABSENT", &quoted(&absent)))?;

    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let target = folder.join("target");
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--locked", "--release", "--package", "alexnet-cli", "--features", "cuda"])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("NVCC", &slim)
        .env("CUDA_HOME", folder.join("prefix"))
        .env("CUDA_COMPUTE_CAP", arch.to_string())
        .env("CUDARC_CUDA_VERSION", version(nvcc)?)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the program does not build with --features cuda");
    Ok(target.join("release/alexnet"))
}

fn cards(arch: u32) -> String {
    let digits = format!("{}.{}", arch / 10, arch % 10);
    // candle's build takes 90 for 90a, whose code runs on this one alone.
    if arch == 90 {
        format!("compute capability {digits} alone")
    } else {
        format!("compute capability {digits} and newer")
    }
}

/// Where cargo keeps the sources of a dependency.
fn sources(package: &str) -> Result<PathBuf> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--features", "alexnet-cli/cuda"])
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let manifest = packages.iter().find(|p| p["name"] == package);
    let manifest = manifest.and_then(|p| p["manifest_path"].as_str());
    let folder = manifest.and_then(|m| Path::new(m).parent());
    folder.map(Path::to_owned).with_context(|| format!("{package} is not among the dependencies"))
}

/// `13000` for CUDA 13.0: what cudarc is told, which else asks whatever `nvcc` is in the PATH.
fn version(nvcc: &Path) -> Result<String> {
    let output = Command::new(nvcc).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", nvcc.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let release = text.split("release ").nth(1).and_then(|rest| rest.split(',').next());
    let parts = release.and_then(|r| r.split_once('.'));
    match parts.and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.trim().parse::<u32>().ok()?))) {
        Some((major, minor)) => Ok(format!("{}", 1000 * major + 10 * minor)),
        None => bail!("{} does not say which release it is: {text}", nvcc.display()),
    }
}

/// An archive in the place of candle's kernels for quantised networks, which take most of the time to build and of
/// the room and which nothing here calls: each of its functions ends the program.
fn absent(kernels: &Path, folder: &Path) -> Result<PathBuf> {
    let source = kernels.join("src/ffi.rs");
    let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
    let mut functions: Vec<&str> =
        text.split("pub fn ").skip(1).filter_map(|f| f.split_once('(')).map(|f| f.0).collect();
    functions.sort_unstable();
    functions.dedup();
    ensure!(!functions.is_empty(), "{} declares no functions", source.display());
    let bodies = functions.iter().map(|f| format!("void {f}(void) {{ abort(); }}\n"));
    let (code, object) = (folder.join("absent.c"), folder.join("absent.o"));
    fs::write(&code, format!("#include <stdlib.h>\n{}", bodies.collect::<String>()))?;
    lazy::command("cc", &["-O2", "-fPIC", "-c", "-o"], &[&object, &code])?;
    let archive = folder.join("libabsent.a");
    lazy::archive(&archive, &[&object])?;
    Ok(archive)
}

/// nvcc, but for the kernels that [`absent`] stands in for.
const SLIM: &str = r#"#!/bin/sh
for last; do :; done
kind=all output= before=
for word; do
  [ "$before" = -o ] && output=$word
  case $word in -c) kind=object ;; --lib) kind=archive ;; esac
  before=$word
done
case $kind,$last,$output in
  object,src/moe/*,* | object,src/mmq_gguf/*,* | object,src/mmvq_gguf.cu,*) : | cc -c -x c -o "$output" - ;;
  archive,*,*libmoe.a) cp ABSENT "$output" ;;
  *) exec NVCC "$@" ;;
esac
"#;
