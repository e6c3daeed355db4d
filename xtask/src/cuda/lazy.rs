//! Archives that are linked in the place of the CUDA libraries, so that a program with the feature
//! `cuda` starts where they are not.
//!
//! candle links these libraries, and such a program does not start on a machine without them. Here
//! each function that cudarc declares becomes a jump through a slot. Its first call opens the
//! library and fills the slot; where the library or the function is missing, the call returns an
//! error of that library. This is for x86-64 Linux.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::succeed;

/// A library that candle links.
struct Library {
    /// What `-l` is followed by.
    name: &'static str,
    /// Where in cudarc its functions are declared.
    module: &'static str,
    /// Its files, the newest first.
    files: &'static [&'static str],
    /// What a function returns when it cannot be called: the library's code for "not there".
    missing: u32,
}

const LIBRARIES: [Library; 6] = [
    Library { name: "cuda", module: "driver", files: &["libcuda.so.1"], missing: 100 },
    Library {
        name: "cublas",
        module: "cublas",
        files: &["libcublas.so.13", "libcublas.so.12"],
        missing: 1,
    },
    Library {
        name: "cublasLt",
        module: "cublaslt",
        files: &["libcublasLt.so.13", "libcublasLt.so.12"],
        missing: 1,
    },
    Library { name: "cudnn", module: "cudnn", files: &["libcudnn.so.9"], missing: 1 },
    Library { name: "curand", module: "curand", files: &["libcurand.so.10"], missing: 101 },
    Library {
        name: "nvrtc",
        module: "nvrtc",
        files: &["libnvrtc.so.13", "libnvrtc.so.12"],
        missing: 1,
    },
];

/// What a function gives back when it cannot be called.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Missing {
    Code,
    Zero,
    Text,
}

/// Writes an archive for each library into `folder`, from the declarations of the cudarc whose
/// sources are given.
pub(super) fn archives(cudarc: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for library in &LIBRARIES {
        let source = cudarc.join("src").join(library.module).join("sys/mod.rs");
        let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
        let functions = functions(&text);
        ensure!(!functions.is_empty(), "{} declares no functions", source.display());
        let part = |ending: &str| folder.join(format!("{}.{ending}", library.name));
        fs::write(part("s"), jumps(library.name, &functions))?;
        fs::write(part("c"), resolver(library, &functions))?;
        for (from, to) in [("s", "jumps.o"), ("c", "resolver.o")] {
            let files = [part(to), part(from)];
            succeed(Command::new("cc").args(["-O2", "-fPIC", "-c", "-o"]).args(files))?;
        }
        archive(
            &folder.join(format!("lib{}.a", library.name)),
            &[&part("jumps.o"), &part("resolver.o")],
        )?;
    }
    // Nothing of the runtime library is called: candle's own kernels go through the driver.
    archive(&folder.join("libcudart.a"), &[])
}

/// A new archive of `objects`.
pub(super) fn archive(to: &Path, objects: &[&Path]) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?; // `ar` would add to it
    }
    succeed(Command::new("ar").arg("crs").arg(to).args(objects))
}

/// The functions that cudarc either loads or links, with what each returns when it cannot be
/// called. Some are declared more than once, for versions whose arguments differ.
fn functions(text: &str) -> BTreeMap<String, Missing> {
    let mut found = BTreeMap::new();
    for part in text.split("\npub unsafe fn ").skip(1) {
        let Some((signature, body)) = part.split_once('{') else { continue };
        let Some((name, _)) = signature.split_once('(') else { continue };
        if !body.trim_start().starts_with("#[cfg(feature = \"dynamic-loading\")]") {
            continue;
        }
        let result = signature.rsplit_once("->").map_or("", |(_, result)| result.trim());
        let missing = match result {
            r if r.contains("c_char") => Missing::Text,
            "" | "usize" => Missing::Zero,
            _ => Missing::Code,
        };
        found.insert(name.to_owned(), missing);
    }
    found
}

/// A jump for each function. While the first call fills the slot, all registers that may hold
/// arguments are kept.
fn jumps(library: &str, functions: &BTreeMap<String, Missing>) -> String {
    let mut text = FILL.replace("LIBRARY", library);
    for (index, name) in functions.keys().enumerate() {
        // Formatting into a string does not fail.
        _ = write!(
            text,
            ".globl {name}\n.type {name},@function\n{name}:\n\
             \tmovq {library}_slots+{}(%rip), %r11\n\ttestq %r11, %r11\n\tjz 1f\n\tjmpq *%r11\n\
             1:\tmovl ${index}, %r11d\n\tjmp fill\n.size {name}, .-{name}\n",
            8 * index
        );
    }
    text.push_str(".section .note.GNU-stack,\"\",@progbits\n");
    text
}

const FILL: &str = "\
.text
.hidden LIBRARY_slots
.hidden LIBRARY_resolve
fill:
\tpushq %rax
\tpushq %rdi
\tpushq %rsi
\tpushq %rdx
\tpushq %rcx
\tpushq %r8
\tpushq %r9
\tsubq $128, %rsp
\tmovups %xmm0, 0(%rsp)
\tmovups %xmm1, 16(%rsp)
\tmovups %xmm2, 32(%rsp)
\tmovups %xmm3, 48(%rsp)
\tmovups %xmm4, 64(%rsp)
\tmovups %xmm5, 80(%rsp)
\tmovups %xmm6, 96(%rsp)
\tmovups %xmm7, 112(%rsp)
\tmovl %r11d, %edi
\tcall LIBRARY_resolve
\tmovq %rax, %r11
\tmovups 0(%rsp), %xmm0
\tmovups 16(%rsp), %xmm1
\tmovups 32(%rsp), %xmm2
\tmovups 48(%rsp), %xmm3
\tmovups 64(%rsp), %xmm4
\tmovups 80(%rsp), %xmm5
\tmovups 96(%rsp), %xmm6
\tmovups 112(%rsp), %xmm7
\taddq $128, %rsp
\tpopq %r9
\tpopq %r8
\tpopq %rcx
\tpopq %rdx
\tpopq %rsi
\tpopq %rdi
\tpopq %rax
\tjmpq *%r11
";

/// The C code that fills a slot.
fn resolver(library: &Library, functions: &BTreeMap<String, Missing>) -> String {
    let list = |items: Vec<String>| items.join(",");
    let names = list(functions.keys().map(|name| format!("\"{name}\"")).collect());
    let kinds = list(functions.values().map(|m| (*m as u32).to_string()).collect());
    let files = list(library.files.iter().map(|file| format!("\"{file}\"")).collect());
    let Library { name, files: [file, ..], missing, .. } = library else { return String::new() };
    format!(
        "#include <dlfcn.h>\n#include <stddef.h>\n\
         #define HIDDEN __attribute__((visibility(\"hidden\")))\n\
         HIDDEN void *volatile {name}_slots[{count}];\n\
         static const char *const names[] = {{{names}}}, *const files[] = {{{files}, NULL}};\n\
         static const unsigned char kinds[] = {{{kinds}}};\n\
         static long code(void) {{ return {missing}; }}\n\
         static long zero(void) {{ return 0; }}\n\
         static const char *text(void) {{ return \"{file} is missing or too old\"; }}\n\
         HIDDEN void *{name}_resolve(unsigned i) {{\n\
         \u{20} static void *volatile library;\n\
         \u{20} for (const char *const *file = files; *file && !library; ++file)\n\
         \u{20}   library = dlopen(*file, RTLD_LAZY | RTLD_GLOBAL);\n\
         \u{20} void *found = library ? dlsym(library, names[i]) : NULL;\n\
         \u{20} if (found) return {name}_slots[i] = found;\n\
         \u{20} if (kinds[i] == {text}) return (void *)text;\n\
         \u{20} return kinds[i] == {zero} ? (void *)zero : (void *)code;\n\
         }}\n",
        count = functions.len(),
        text = Missing::Text as u32,
        zero = Missing::Zero as u32,
    )
}
