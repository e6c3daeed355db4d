//! Compiles `src/ops/*/*.cu` to PTX under the feature `cuda`; does nothing without it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed=src");
    for variable in ["NVCC", "NVCC_CCBIN", "CUDA_HOME", "CUDA_COMPUTE_CAP", "PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let (nvcc, capability) = (nvcc(), capability());
    println!("cargo:rustc-env=ALEXNET_CUDA_CAPABILITY={capability}");
    let kernels = kernels();
    let compilers: Vec<_> =
        kernels.iter().map(|kernel| (kernel, start(&nvcc, kernel, &capability, &out))).collect();
    for (kernel, mut compiler) in compilers {
        let status = compiler.wait().unwrap_or_else(|e| panic!("nvcc was lost: {e}"));
        assert!(status.success(), "nvcc refuses {}: {status}", kernel.display());
    }
    // What `src/cuda/gpu.rs` includes: each file's name and its PTX.
    let entry = |kernel: &PathBuf| {
        let name = name(kernel);
        format!("    ({name:?}, include_str!(concat!(env!(\"OUT_DIR\"), \"/{name}.ptx\"))),\n")
    };
    let table: String = kernels.iter().map(entry).collect();
    std::fs::write(out.join("ptx.rs"), format!("&[\n{table}]\n")).expect("OUT_DIR can be written");
}

/// Every `src/ops/*/*.cu`, in the order of their paths.
fn kernels() -> Vec<PathBuf> {
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
        entries.map(|entry| entry.expect("a folder of ours can be read").path()).collect::<Vec<_>>()
    };
    let folders = files(Path::new("src/ops")).into_iter().filter(|path| path.is_dir());
    let mut kernels: Vec<_> = folders.flat_map(|folder| files(&folder)).collect();
    kernels.retain(|path| path.extension().is_some_and(|extension| extension == "cu"));
    kernels.sort();
    kernels
}

fn name(kernel: &Path) -> String {
    kernel.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn start(nvcc: &Path, kernel: &Path, capability: &str, out: &Path) -> std::process::Child {
    let mut command = Command::new(nvcc);
    // PTX without an "a": the driver compiles it for any GPU of this capability or a newer one.
    // Square roots use the GPU's approximate instruction, whose error is far below that of bf16 and
    // about that of f32.
    command.args(["--ptx", "-O3", "-std=c++17", "-prec-sqrt=false", "-I", "src/cuda"]);
    command.arg(format!("-arch=compute_{capability}"));
    if let Some(compiler) = env::var_os("NVCC_CCBIN") {
        command.arg("-ccbin").arg(compiler).arg("-allow-unsupported-compiler");
    }
    command.arg("-o").arg(out.join(name(kernel)).with_extension("ptx")).arg(kernel);
    command.spawn().unwrap_or_else(|e| {
        let nvcc = nvcc.display();
        panic!(
            "cannot run {nvcc}: {e}. The feature `cuda` needs the CUDA toolkit, or NVCC set to \
             its compiler"
        )
    })
}

/// `$NVCC`, then the PATH, then `$CUDA_HOME`, then where the toolkit installs itself.
fn nvcc() -> PathBuf {
    if let Some(nvcc) = env::var_os("NVCC") {
        return nvcc.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let home = |home: OsString| PathBuf::from(home).join("bin");
    folders.extend(env::var_os("CUDA_HOME").map(home));
    folders.push("/usr/local/cuda/bin".into());
    let found = folders.into_iter().map(|folder| folder.join("nvcc")).find(|nvcc| nvcc.exists());
    found.unwrap_or_else(|| "nvcc".into())
}

/// The oldest compute capability to compile for, from the variable that candle's build reads; 80,
/// Ampere, unless said otherwise.
fn capability() -> String {
    let said = env::var("CUDA_COMPUTE_CAP").unwrap_or_default();
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { "80".to_owned() } else { digits }
}
