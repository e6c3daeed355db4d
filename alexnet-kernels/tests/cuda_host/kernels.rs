//! `src/ops/*/*.cu` built for the host and called as a driver would.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use alexnet_kernels::launch::{Argument, Launch};

use crate::memory::Memory;

/// A shared object for each file of kernels, by its name: on a GPU each is a module of its own too.
pub struct Kernels(HashMap<String, *mut c_void>);
// SAFETY: the handles are only used to look names up, which dlsym allows from any thread.
unsafe impl Send for Kernels {}
// SAFETY: as above.
unsafe impl Sync for Kernels {}

/// `Launch` of `host.h`.
#[repr(C)]
struct HostLaunch {
    grid: [u32; 3],
    block: [u32; 3],
    backwards: bool,
}

type Entry = unsafe extern "C" fn(*const HostLaunch, *const *const c_void, u32) -> *const c_char;

/// Built once a process; `None`, with a line that says so, where there is no C++ compiler.
pub fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS.get_or_init(build).as_ref()
}

fn build() -> Option<Kernels> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if Command::new(&compiler).arg("--version").output().is_err() {
        assert!(std::env::var_os("ALEXNET_NEEDS_CXX").is_none(), "there is no `{compiler}`");
        println!(
            "skipped: there is no C++ compiler `{compiler}` to build the kernels for the host"
        );
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_host");
    std::fs::create_dir_all(&folder).unwrap();
    // A variable that was never written holds no number that a kernel could live with. Older
    // compilers cannot do that.
    let pattern = "-ftrivial-auto-var-init=pattern";
    let tried = Command::new(&compiler).args([pattern, "-E", "-x", "c++", "/dev/null"]).output();
    let pattern = tried.is_ok_and(|output| output.status.success()).then_some(pattern);
    let mut running = Vec::new();
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let operations = files(&root.join("src/ops")).into_iter().filter(|path| path.is_dir());
    for source in operations.flat_map(|operation| files(&operation)) {
        if source.extension().is_some_and(|e| e == "cu") {
            let name = source.file_stem().unwrap().to_str().unwrap().to_owned();
            let library = folder.join(&name).with_extension("so");
            let mut command = Command::new(&compiler);
            command.args(["-x", "c++", "-std=c++17", "-O1", "-fPIC", "-shared"]);
            command.args(["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]).args(pattern);
            command.arg("-I").arg(root.join("src/cuda"));
            command.arg("-I").arg(root.join("tests/cuda_host"));
            command.arg("-o").arg(&library).arg(&source);
            running.push((name, library, command.spawn().unwrap()));
        }
    }
    let open = |(name, library, mut compiler): (String, PathBuf, Child)| {
        assert!(compiler.wait().unwrap().success(), "{name}.cu does not compile");
        let path = CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: the library was built here and has no initialisers but those of plain data.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{} cannot be loaded", library.display());
        (name, handle)
    };
    Some(Kernels(running.into_iter().map(open).collect()))
}

impl Kernels {
    /// What went wrong in a run of the whole grid: the first access outside a buffer, say.
    fn launch(&self, launch: &Launch, backwards: bool) -> Result<(), String> {
        let name = CString::new(format!("run_{}", launch.kernel)).unwrap();
        // SAFETY: the handle is open, the name ends in 0.
        let entry = unsafe { libc::dlsym(self.0[launch.module], name.as_ptr()) };
        assert!(!entry.is_null(), "there is no kernel {}", launch.kernel);
        // SAFETY: HOST_ENTRY defines every `run_…` with this type.
        let entry = unsafe { std::mem::transmute::<*mut c_void, Entry>(entry) };
        let pointer = |argument: &Argument| -> *const c_void {
            match argument {
                Argument::Span(x) => (&raw const *x).cast(),
                Argument::U32(x) => (&raw const *x).cast(),
                Argument::I32(x) => (&raw const *x).cast(),
                Argument::F32(x) => (&raw const *x).cast(),
            }
        };
        let pointers: Vec<_> = launch.arguments.iter().map(pointer).collect();
        let [x, y] = launch.grid;
        let how = HostLaunch { grid: [x, y, 1], block: [launch.block, 1, 1], backwards };
        // SAFETY: the pointers are to as many values as said, alive for the call; kernels check
        // what they access.
        let fault = unsafe { entry(&raw const how, pointers.as_ptr(), pointers.len() as u32) };
        if fault.is_null() {
            return Ok(());
        }
        // SAFETY: not null, so the text the library keeps for this thread until its next launch.
        let fault = unsafe { CStr::from_ptr(fault) }.to_string_lossy().into_owned();
        Err(format!("{}: {fault}", launch.kernel))
    }
}

/// Runs `launches`, which write `written` only, in both orders of threads; both must give the same
/// bits.
///
/// # Errors
///
/// The first access outside a buffer or not aligned.
pub fn try_run(launches: &[Launch], written: &mut [&mut Memory]) -> Result<(), String> {
    let kernels = kernels().expect("asked for before");
    let before: Vec<Memory> = written.iter().map(|memory| (**memory).clone()).collect();
    launches.iter().try_for_each(|launch| kernels.launch(launch, true))?;
    let backwards: Vec<Memory> = written.iter().map(|memory| (**memory).clone()).collect();
    written.iter_mut().zip(&before).for_each(|(memory, before)| memory.restore(before));
    launches.iter().try_for_each(|launch| kernels.launch(launch, false))?;
    for (forwards, backwards) in written.iter().zip(&backwards) {
        assert!(forwards.same_bits(backwards), "{launches:?} depends on the order of threads");
    }
    Ok(())
}

/// [`try_run`] that must go well.
#[track_caller]
pub fn run(launches: &[Launch], written: &mut [&mut Memory]) {
    if let Err(fault) = try_run(launches, written) {
        panic!("{fault}");
    }
}
