//! Builds the emulated libraries: the C++ of this folder and every kernel of the crate, in one
//! shared object under the names of NVIDIA's libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

const NAMES: [&str; 5] =
    ["libcuda.so.1", "libcudnn.so.9", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10"];

/// What a file of kernels includes must be included before the namespace that it is put in.
const INCLUDES: &str = "#include <ucontext.h>\n#include <cmath>\n#include <cstring>\n\
                        #include <tuple>\n#include <utility>\n#include \"emulator.h\"\n\
                        #include \"bf16.h\"\n";

/// The folder that belongs into `LD_LIBRARY_PATH`. It is built unless it is newer than all its
/// sources.
///
/// # Panics
///
/// Where there is no C++ compiler, `$CXX` or else `c++`, or it refuses a file.
pub static FOLDER: LazyLock<PathBuf> = LazyLock::new(build);

fn build() -> PathBuf {
    // The tests of other crates use this file too.
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("alexnet-kernels");
    let ours = kernels.join("tests/emulator");
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulator");
    let out = work.join("lib");
    let library = out.join("libemulator.so");
    fs::create_dir_all(&out).unwrap();
    let mut sources = Vec::new();
    for folder in [ours.clone(), kernels.join("src"), kernels.join("tests/cuda_host")] {
        sources_in(&folder, &mut sources);
    }
    let changed = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let newest: Option<SystemTime> = sources.iter().filter_map(|source| changed(source)).max();
    if changed(&library) > newest {
        return out;
    }
    let mut units = Vec::new();
    for source in &sources {
        let name = source.file_stem().unwrap().to_str().unwrap();
        match source.extension().and_then(|e| e.to_str()) {
            Some("cpp") => units.push(source.clone()),
            Some("cu") => {
                // Each file is in a namespace of its own, since all use the same names.
                let unit = work.join(format!("{name}.cu.cpp"));
                let kernels = format!("#include \"kernels.h\"\n#include \"{}\"", source.display());
                let text = format!("{INCLUDES}namespace in_{name} {{\n{kernels}\n}}\n");
                fs::write(&unit, text).unwrap();
                units.push(unit);
            }
            _ => {}
        }
    }
    for name in NAMES {
        let link = out.join(name);
        let _ = fs::remove_file(&link); // one that an earlier build left
        std::os::unix::fs::symlink("libemulator.so", &link).unwrap();
    }
    let includes = [ours, kernels.join("src/cuda"), kernels.join("tests/cuda_host")];
    compile(&units, &includes, &work, &library);
    out
}

/// The C++ and the kernels in a folder and those below it.
fn sources_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources_in(&path, found);
        } else if path
            .extension()
            .is_some_and(|e| ["cpp", "h", "cu", "cuh"].iter().any(|x| e == *x))
        {
            found.push(path);
        }
    }
}

/// Compiles all units at once, each into its object, and links them.
fn compile(units: &[PathBuf], includes: &[PathBuf], work: &Path, library: &Path) {
    let compiler = || Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    let object = |unit: &PathBuf| work.join(unit.with_extension("o").file_name().unwrap());
    let running: Vec<_> = units
        .iter()
        .map(|unit| {
            let mut command = compiler();
            command.args(["-std=c++17", "-O3", "-fPIC", "-Wall", "-Werror"]);
            command.args(["-Wno-unknown-pragmas", "-Wno-unused-function", "-c"]);
            includes.iter().for_each(|folder| _ = command.arg("-I").arg(folder));
            command.arg(unit).arg("-o").arg(object(unit));
            command.spawn().expect("the emulator needs a C++ compiler, `c++` or $CXX")
        })
        .collect();
    for (mut child, unit) in running.into_iter().zip(units) {
        assert!(child.wait().unwrap().success(), "{} does not compile", unit.display());
    }
    let mut link = compiler();
    link.args(["-shared", "-o"]).arg(library).args(units.iter().map(object));
    assert!(link.status().unwrap().success(), "the emulator does not link");
}
