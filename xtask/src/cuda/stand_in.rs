//! The whole program with CUDA on a card that is not there: libraries that do on the processor what a driver, cuDNN and
//! cuBLASLt would do, so that everything between the network and the card runs.
//!
//! Nothing that it computes has been seen on a card. What it shows: that calls have the arguments their libraries ask for,
//! that memory is there as long as it is used, that streams wait for each other, and that the results are right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{bundle, check, executable, folder, root, trials};

/// What the libraries are called; all are one file.
const NAMES: [&str; 5] =
    ["libcuda.so.1", "libcudnn.so.9", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10"];

/// What `kernel.h` needs, outside the namespace in which it is read.
const HEADERS: &str = "#include <ucontext.h>\n#include <cmath>\n#include <cstring>\n#include <tuple>\n\
                       #include <utility>\n#include \"machine.h\"\n";

/// Builds libraries and program and, unless they are all that is asked for, puts the program through its self-test and
/// the [`trials`] on them.
pub(super) fn stand_in(build_only: bool) -> Result<()> {
    let began = Instant::now();
    let folder = folder().join("stand-in");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let nvcc = folder.join("nvcc-empty");
    executable(&nvcc, check::STAND_IN)?;
    let alexnet = bundle::program(&folder.join("program"), &nvcc, 80)?;
    let libraries = libraries(&folder)?;
    println!("LD_LIBRARY_PATH={} {}", libraries.display(), alexnet.display());
    println!("built in {:.0} s", began.elapsed().as_secs_f64());
    if build_only {
        return Ok(());
    }
    let status = Command::new(&alexnet)
        .args(["selftest", "--device", "cuda:0", "--deterministic"])
        .env("LD_LIBRARY_PATH", &libraries)
        .status()
        .with_context(|| alexnet.display().to_string())?;
    ensure!(status.success(), "the self-test fails on the stand-in");
    trials::run(&alexnet, &libraries, &folder.join("trials"))?;
    println!("all of it in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Compiles `xtask/stand-in/*.cpp` and every kernel of `alexnet-kernels/cuda` into one library with many names.
fn libraries(folder: &Path) -> Result<PathBuf> {
    let (ours, kernels) = (root().join("xtask/stand-in"), root().join("alexnet-kernels/src/cuda"));
    let (ours, kernels) = (ours.canonicalize()?, kernels.canonicalize()?);
    let (out, work) = (folder.join("lib"), folder.join("work"));
    fs::create_dir_all(&out)?;
    fs::create_dir_all(&work)?;
    let mut sources = files(&ours, "cpp")?;
    for kernel in check::kernel_files()? {
        let kernel = kernel.canonicalize()?;
        // Each file in a namespace: all use the same names.
        let name = kernel.file_stem().unwrap_or_default().display().to_string();
        let wrapper = work.join(format!("{name}.cu.cpp"));
        let text = format!(
            "{HEADERS}namespace in_{name} {{\n#include \"kernel.h\"\n#include \"{}\"\n}}\n",
            kernel.display()
        );
        fs::write(&wrapper, text)?;
        sources.push(wrapper);
    }
    let mut objects = Vec::new();
    for source in &sources {
        let object = work.join(format!("{}.o", source.file_stem().unwrap_or_default().display()));
        let status = Command::new("c++")
            .args([
                "-std=c++17",
                "-O3",
                "-fPIC",
                "-Wall",
                "-Wno-unknown-pragmas",
                "-Wno-unused-function",
            ])
            .arg("-I")
            .arg(&ours)
            .arg("-I")
            .arg(&kernels)
            .arg("-I")
            .arg(root().join("alexnet-kernels/tests/cuda_host").canonicalize()?)
            .arg("-c")
            .arg("-o")
            .arg(&object)
            .arg(source)
            .status()
            .context("cannot run c++")?;
        ensure!(status.success(), "{} does not compile", source.display());
        objects.push(object);
    }
    let file = "libstand-in.so";
    let status = Command::new("c++")
        .args(["-shared", "-o"])
        .arg(out.join(file))
        .args(&objects)
        .status()
        .context("cannot run c++")?;
    ensure!(status.success(), "the stand-in does not link");
    for name in NAMES {
        let link = out.join(name);
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(file, &link)?;
    }
    Ok(out)
}

/// The files of a folder with this ending, in the order of their names.
pub(super) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
