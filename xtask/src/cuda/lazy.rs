//! Archives that are linked in the place of the CUDA libraries, so that a program with the feature
//! `cuda` starts where they are not.
//!
//! candle links these libraries, and such a program does not start on a machine without them. Here
//! each function that cudarc declares becomes a jump through a slot. Its first call opens the
//! library and fills the slot; where the library or the function is missing, the call returns an
//! error of that library. This is for x86-64 Linux.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::succeed;

/// A library that candle links: what `-l` is followed by, where in cudarc its functions are
/// declared, the files that are tried, the newest first, and its code for "not there", which a
/// function returns when it cannot be called.
type Library = (&'static str, &'static str, &'static [&'static str], u32);

/// cuDNN has no name without a version here: that may be cuDNN 8, whose status codes differ.
const LIBRARIES: [Library; 6] = [
    ("cuda", "driver", &["libcuda.so.1", "libcuda.so"], 100),
    ("cublas", "cublas", &["libcublas.so.13", "libcublas.so.12", "libcublas.so"], 1),
    ("cublasLt", "cublaslt", &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"], 1),
    ("cudnn", "cudnn", &["libcudnn.so.9"], 1),
    ("curand", "curand", &["libcurand.so.10", "libcurand.so"], 101),
    ("nvrtc", "nvrtc", &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"], 1),
];

/// Writes an archive for each library into `folder`, from the declarations of the cudarc whose
/// sources are given.
pub(super) fn archives(cudarc: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, module, files, missing) in LIBRARIES {
        let source = cudarc.join("src").join(module).join("sys/mod.rs");
        let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
        let functions = functions(&text);
        ensure!(!functions.is_empty(), "{} declares no functions", source.display());
        let part = |ending: &str| folder.join(format!("{name}.{ending}"));
        fs::write(part("s"), jumps(name, &functions))?;
        fs::write(part("c"), resolver(name, files, missing, &functions))?;
        for (from, to) in [("s", "jumps.o"), ("c", "resolver.o")] {
            let files = [part(to), part(from)];
            succeed(Command::new("cc").args(["-O2", "-fPIC", "-c", "-o"]).args(files))?;
        }
        let objects = [part("jumps.o"), part("resolver.o")];
        archive(&folder.join(format!("lib{name}.a")), &objects)?;
    }
    // Nothing of the runtime library is called: candle's own kernels go through the driver.
    archive(&folder.join("libcudart.a"), &[])
}

/// A new archive of `objects`.
pub(super) fn archive(to: &Path, objects: &[PathBuf]) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?; // `ar` would add to it
    }
    succeed(Command::new("ar").arg("crs").arg(to).args(objects))
}

/// The functions that cudarc either loads or links, with the answer of `lazy.c` where one cannot be
/// called. Some are declared more than once, for versions whose arguments differ.
fn functions(text: &str) -> BTreeMap<String, &'static str> {
    let function = |part: &str| {
        let (signature, body) = part.split_once('{')?;
        let (name, _) = signature.split_once('(')?;
        let is_ours = body.trim_start().starts_with("#[cfg(feature = \"dynamic-loading\")]");
        let answer = match signature.rsplit_once("->").map_or("", |(_, result)| result.trim()) {
            result if result.contains("c_char") => "TEXT",
            "" | "usize" => "ZERO",
            _ => "CODE",
        };
        is_ours.then(|| (name.to_owned(), answer))
    };
    text.split("\npub unsafe fn ").skip(1).filter_map(function).collect()
}

/// The assembler's code of a jump for each function.
fn jumps(library: &str, functions: &BTreeMap<String, &str>) -> String {
    let jumps = functions.keys().enumerate().map(|(index, name)| format!("jump {name}, {index}\n"));
    include_str!("lazy.s").replace("LIBRARY", library) + &jumps.collect::<String>()
}

/// The C code that fills the slots.
fn resolver(
    library: &str,
    files: &[&str],
    missing: u32,
    functions: &BTreeMap<String, &str>,
) -> String {
    let names: Vec<&str> = functions.keys().map(String::as_str).collect();
    let answers: Vec<&str> = functions.values().copied().collect();
    include_str!("lazy.c")
        .replace("LIBRARY", library)
        .replace("NAMES", &names.join("\", \""))
        .replace("ANSWERS", &answers.join(", "))
        .replace("FILES", &files.join("\", \""))
        .replace("NEWEST", files.first().unwrap_or(&library))
        .replace("MISSING", &missing.to_string())
}
