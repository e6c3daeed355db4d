//! Every kernel as NVIDIA's assembler makes it for each kind of GPU, and the limits that it must
//! keep.
//!
//! A kernel whose registers spill to memory, of which too few threads fit on a multiprocessor, or
//! that loads single elements where it was written for vectors, is right and slow, and without a
//! GPU no measurement would tell. The limits are wide enough for another release of the compiler.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::cubin;

/// The GPUs for which kernels are assembled: Ampere, Hopper, Blackwell.
const GPUS: [&str; 3] = ["sm_80", "sm_90", "sm_100"];

/// With more registers a thread, fewer than a third of a multiprocessor's 2048 threads fit.
const MOST_REGISTERS: u64 = 128;
/// What every GPU gives a block without being asked, in bytes.
const MOST_SHARED: u64 = 48 << 10;
/// Beyond this the instructions of a kernel no longer fit into a GPU's cache for them (32 KiB of
/// 16 bytes each).
const MOST_INSTRUCTIONS: u64 = 2048;

/// A kernel for one GPU.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    pub(super) registers: u64,
    /// Bytes a thread that registers spill to memory, stored and loaded.
    pub(super) spills: u64,
    /// Bytes of shared memory a block.
    pub(super) shared: u64,
    /// Machine instructions, with the padding after the last.
    pub(super) instructions: u64,
    /// Bytes of the widest load from global memory; 0 without loads.
    pub(super) load: u64,
}

/// Compiles every `.cu` for each of [`GPUS`] into `out`, where also the table of all kernels goes,
/// and checks the limits. Gives back what to say of it.
pub(super) fn check(
    nvcc: &Path,
    sources: &[PathBuf],
    include: &Path,
    out: &Path,
) -> Result<String> {
    fs::create_dir_all(out)?;
    let mut running: Vec<(Child, &PathBuf, &str, PathBuf)> = Vec::new();
    for source in sources {
        let name = source.file_stem().unwrap_or_default().display().to_string();
        for gpu in GPUS {
            let cubin = out.join(format!("{name}-{gpu}.cubin"));
            let flags = ["-cubin", "-Werror", "all-warnings", "-Xptxas", "-v", "-arch", gpu];
            running.push((start(nvcc, &flags, include, source, &cubin)?, source, gpu, cubin));
        }
        let ptx = out.join(format!("{name}.ptx"));
        running.push((
            start(nvcc, &["-ptx", "-arch", GPUS[0]], include, source, &ptx)?,
            source,
            "",
            ptx,
        ));
    }
    let (mut kernels, mut loads) = (BTreeMap::new(), BTreeMap::new());
    for (child, source, gpu, file) in running {
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} does not compile for {gpu}: {said}", source.display());
        if gpu.is_empty() {
            loads.extend(widest_loads(&fs::read_to_string(file)?));
            continue;
        }
        let sizes = cubin::instructions(&fs::read(&file)?)
            .with_context(|| format!("{} is no cubin that we can read", file.display()))?;
        for (name, kernel) in assembled(&said) {
            let instructions = sizes.get(&name).copied().unwrap_or_default();
            kernels.insert((name, gpu), Kernel { instructions, ..kernel });
        }
    }
    for ((name, _), kernel) in &mut kernels {
        kernel.load = loads.get(name).copied().unwrap_or_default();
    }
    let path = out.join("kernels.txt");
    fs::write(&path, table(&kernels))?;
    let broken: Vec<String> = kernels
        .iter()
        .flat_map(|((name, gpu), k)| {
            faults(name, k).map(move |fault| format!("{name} for {gpu}: {fault}"))
        })
        .collect();
    if !broken.is_empty() {
        bail!("kernels beyond the limits of xtask/src/cuda/kernels.rs:\n  {}", broken.join("\n  "))
    }
    Ok(summary(&kernels, &path))
}

fn start(nvcc: &Path, flags: &[&str], include: &Path, source: &Path, to: &Path) -> Result<Child> {
    let mut command = Command::new(nvcc);
    command.args(flags).args(["-O3", "-std=c++17", "-prec-sqrt=false", "-I"]).arg(include);
    command.arg("-o").arg(to).arg(source).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot run {}", nvcc.display()))
}

/// What the assembler says of each kernel with `-v`.
fn assembled(said: &str) -> Vec<(String, Kernel)> {
    let number_before = |line: &str, what: &str| -> u64 {
        let before = line.split(what).next().filter(|_| line.contains(what)).unwrap_or_default();
        before.split_whitespace().last().and_then(|n| n.parse().ok()).unwrap_or_default()
    };
    let kernel = |part: &str| {
        let name = part.split('\'').next()?.to_owned();
        let mut kernel = Kernel::default();
        for line in part.lines() {
            kernel.spills += number_before(line, " bytes spill stores");
            kernel.spills += number_before(line, " bytes spill loads");
            kernel.shared += number_before(line, " bytes smem");
            kernel.registers += number_before(line, " registers");
        }
        Some((name, kernel))
    };
    said.split("Compiling entry function '").skip(1).filter_map(kernel).collect()
}

/// The bytes of each kernel's widest load from global memory, in the assembler's input.
fn widest_loads(ptx: &str) -> BTreeMap<String, u64> {
    let kernel = |part: &str| {
        let (name, body) = part.split_once('(')?;
        let body = body.split("\n}").next()?; // a kernel's last line
        let loads = body.lines().filter_map(|line| line.trim_start().strip_prefix("ld.global"));
        Some((name.trim().to_owned(), loads.map(load_width).max().unwrap_or_default()))
    };
    ptx.split(".entry ").skip(1).filter_map(kernel).collect()
}

/// The bytes of a load, of which `rest` follows `ld.global`: 16 of `.nc.v4.u32 {…`.
fn load_width(rest: &str) -> u64 {
    let words = || rest.split([' ', '\t']).next().unwrap_or_default().split('.');
    let number = |prefixes: &[&str]| {
        words().find_map(|w| prefixes.iter().find_map(|p| w.strip_prefix(p)?.parse::<u64>().ok()))
    };
    number(&["v"]).unwrap_or(1) * number(&["u", "s", "b", "f"]).unwrap_or_default() / 8
}

/// What of a kernel is beyond the limits.
fn faults<'a>(name: &'a str, kernel: &'a Kernel) -> impl Iterator<Item = String> + 'a {
    let Kernel { registers, spills, shared, instructions, load } = *kernel;
    let vector = vector(name);
    [
        (spills > 0, format!("spills {spills} bytes a thread")),
        (registers > MOST_REGISTERS, format!("{registers} registers, at most {MOST_REGISTERS}")),
        (shared > MOST_SHARED, format!("{shared} bytes of shared memory, at most {MOST_SHARED}")),
        (
            instructions > MOST_INSTRUCTIONS,
            format!("{instructions} instructions, at most {MOST_INSTRUCTIONS}"),
        ),
        (load > 0 && load < vector, format!("loads of {load} bytes, vectors of {vector}")),
    ]
    .into_iter()
    .filter_map(|(wrong, fault)| wrong.then_some(fault))
}

/// The least that a kernel of this name must load at once somewhere, in bytes: `…_v4` works on
/// vectors of four elements, which have at least a byte each.
fn vector(name: &str) -> u64 {
    name.rsplit_once("_v").and_then(|(_, n)| n.parse().ok()).unwrap_or(1)
}

/// A line for each kernel and GPU.
fn table(kernels: &BTreeMap<(String, &str), Kernel>) -> String {
    let mut text = format!(
        "{:<44} {:<7} {:>9} {:>6} {:>7} {:>12} {:>10}\n",
        "kernel", "GPU", "registers", "spills", "shared", "instructions", "load bytes"
    );
    for ((name, gpu), k) in kernels {
        let Kernel { registers, spills, shared, instructions, load } = k;
        let _ = write!(text, "{name:<44} {gpu:<7} {registers:>9} {spills:>6} {shared:>7} ");
        let _ = writeln!(text, "{instructions:>12} {load:>10}");
    }
    text
}

fn summary(kernels: &BTreeMap<(String, &str), Kernel>, path: &Path) -> String {
    let most = |of: fn(&Kernel) -> u64| {
        let most = kernels.iter().max_by_key(|(_, kernel)| of(kernel));
        most.map_or_else(String::new, |((name, gpu), k)| format!("{} ({name}, {gpu})", of(k)))
    };
    format!(
        "{} kernels for {}: no spills; at most {} registers, {} bytes of shared memory, {} \
         instructions; all in {}",
        kernels.len() / GPUS.len(),
        GPUS.join(", "),
        most(|k| k.registers),
        most(|k| k.shared),
        most(|k| k.instructions),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_assembler_says() {
        let said = "ptxas info    : 0 bytes gmem\n\
                    ptxas info    : Compiling entry function 'a_v8' for 'sm_90'\n\
                    ptxas info    : Function properties for a_v8\n    \
                    0 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n\
                    ptxas info    : Used 24 registers, used 1 barriers, 2048 bytes smem, 400 bytes \
                    cmem[0]\n\
                    ptxas info    : Compiling entry function 'b' for 'sm_90'\n\
                    ptxas info    : Used 16 registers, used 0 barriers\n";
        let a = Kernel { registers: 24, spills: 12, shared: 2048, ..Kernel::default() };
        let b = Kernel { registers: 16, ..Kernel::default() };
        assert_eq!(assembled(said), [("a_v8".to_owned(), a), ("b".to_owned(), b)]);
    }

    #[test]
    fn loads() {
        let ptx = ".visible .entry a_v8(\n\t.param .u64 x\n)\n{\n\tld.param.u64 %rd1, [x];\n\
                   \tld.global.nc.v4.u32 {%r1,%r2,%r3,%r4}, [%rd8];\n\
                   \tld.global.u16 %rs1, [%rd9];\n}\n\
                   .visible .entry b(\n)\n{\n\tret;\n}\n";
        let expected = BTreeMap::from([("a_v8".to_owned(), 16), ("b".to_owned(), 0)]);
        assert_eq!(widest_loads(ptx), expected);
    }

    #[test]
    fn limits() {
        let good = Kernel { registers: 48, instructions: 1900, load: 16, ..Kernel::default() };
        let faults_of = |kernel: Kernel| faults("a_v8", &kernel).collect::<Vec<_>>();
        assert_eq!(faults_of(good), [""; 0]);
        assert_eq!(faults_of(Kernel { spills: 4, ..good }), ["spills 4 bytes a thread"]);
        assert_eq!(faults_of(Kernel { load: 2, ..good }), ["loads of 2 bytes, vectors of 8"]);
        assert_eq!(faults_of(Kernel { registers: 255, instructions: 4000, ..good }).len(), 2);
    }
}
