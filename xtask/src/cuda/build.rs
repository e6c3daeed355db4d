//! How cargo builds with the feature `cuda`: with a compiler for the kernels, or with none and
//! empty kernels, and with archives in the place of the CUDA libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{lazy, root};
use crate::process::{self, succeed};

/// The features of everything that has code for GPUs.
pub(super) const FEATURES: &str = "alexnet-kernels/cuda,alexnet-cli/cuda";

/// A capability that no compiler knows: candle keeps compiled kernels by capability, and no build
/// with a real compiler may find empty ones.
const NO_CAPABILITY: &str = "80a";

/// A cargo command that builds with empty kernels: nothing is compiled for a GPU. Its other crates
/// are those of every other build.
pub(super) fn without_compiler(folder: &Path) -> Result<Command> {
    let nvcc = folder.join("empty-nvcc");
    fs::create_dir_all(folder)?;
    executable(&nvcc, include_str!("empty-nvcc.sh"))?;
    cargo(folder, &nvcc, NO_CAPABILITY)
}

/// A cargo command that builds kernels with this compiler for this capability and newer ones. What
/// is linked in the place of the CUDA libraries lies in `folder`.
pub(super) fn cargo(folder: &Path, nvcc: &Path, capability: &str) -> Result<Command> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let nvcc = nvcc.canonicalize().unwrap_or_else(|_| nvcc.to_owned()); // or one in the PATH
    let mut cargo = process::cargo();
    cargo.current_dir(root());
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        lazy::archives(&sources("cudarc")?, &folder.join("prefix/lib"))?;
        let absent = absent(&sources("candle-kernels")?, &folder)?;
        let slim = folder.join("nvcc");
        let quoted = |path: &Path| format!("'{}'", path.display());
        let script = include_str!("slim-nvcc.sh").replace("NVCC", &quoted(&nvcc));
        executable(&slim, &script.replace("ABSENT", &quoted(&absent)))?;
        cargo.env("NVCC", slim).env("CUDA_HOME", folder.join("prefix"));
    } else {
        cargo.env("NVCC", &nvcc);
    }
    cargo.env("CUDA_COMPUTE_CAP", capability).env("CUDARC_CUDA_VERSION", version(&nvcc)?);
    Ok(cargo)
}

/// Where cargo keeps the sources of a dependency.
fn sources(package: &str) -> Result<PathBuf> {
    let output = process::cargo()
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--features", FEATURES])
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

/// `13000` for CUDA 13.0. cudarc is told, or else it asks whatever `nvcc` is in the PATH.
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

/// Writes an archive in the place of candle's kernels for quantised networks, which take most of
/// the time to build and most of the room, and which nothing here calls: each of its functions ends
/// the program.
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
    succeed(Command::new("cc").args(["-O2", "-fPIC", "-c", "-o"]).args([&object, &code]))?;
    let archive = folder.join("libabsent.a");
    lazy::archive(&archive, &[object])?;
    Ok(archive)
}

/// Writes a script that can be run.
fn executable(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
