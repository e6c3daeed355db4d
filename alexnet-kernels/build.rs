//! Compiles `cuda/*.cu` to PTX under the feature `cuda`; does nothing without it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of `cuda/`, without their ending.
const KERNELS: [&str; 8] = ["bias", "input", "loss", "lrn", "map_norm", "max_pool", "relu", "sgd"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed=cuda");
    for variable in ["NVCC", "NVCC_CCBIN", "CUDA_HOME", "CUDA_COMPUTE_CAP", "PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let (nvcc, capability) = (nvcc(), capability());
    println!("cargo:rustc-env=ALEXNET_CUDA_CAPABILITY={capability}");
    let compilers: Vec<_> =
        KERNELS.iter().map(|kernel| (kernel, start(&nvcc, kernel, &capability, &out))).collect();
    for (kernel, mut compiler) in compilers {
        let status = compiler.wait().unwrap_or_else(|e| panic!("nvcc was lost: {e}"));
        assert!(status.success(), "nvcc refuses cuda/{kernel}.cu: {status}");
    }
}

fn start(nvcc: &Path, kernel: &str, capability: &str, out: &Path) -> std::process::Child {
    let mut command = Command::new(nvcc);
    // PTX without an "a": the driver compiles it for any card of this capability or a newer one. Square roots by the
    // card's own instruction, whose error is far below that of bf16 and about that of f32.
    command.args(["--ptx", "-O3", "-std=c++17", "-prec-sqrt=false"]);
    command.arg(format!("-arch=compute_{capability}"));
    if let Some(compiler) = env::var_os("NVCC_CCBIN") {
        command.arg("-ccbin").arg(compiler).arg("-allow-unsupported-compiler");
    }
    command.arg("-o").arg(out.join(format!("{kernel}.ptx"))).arg(format!("cuda/{kernel}.cu"));
    command.spawn().unwrap_or_else(|e| {
        let nvcc = nvcc.display();
        panic!("cannot run {nvcc}: {e}. The feature `cuda` needs the CUDA toolkit, or NVCC set to its compiler")
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

/// The oldest card the kernels are for, as candle's own kernels are told; 80, Ampere, unless said otherwise.
fn capability() -> String {
    let said = env::var("CUDA_COMPUTE_CAP").unwrap_or_default();
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { "80".to_owned() } else { digits }
}
