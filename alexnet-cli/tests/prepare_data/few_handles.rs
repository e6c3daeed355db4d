//! As many open files as a process may have, from too few for its lock to enough: it ends, and says
//! what is missing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cifar;

#[test]
fn too_few_handles_end_it() {
    let dir = tempfile::tempdir().unwrap();
    cifar(dir.path(), 10);
    let program = env!("CARGO_BIN_EXE_alexnet");
    let mut refused = 0;
    for handles in 3..10 {
        let output = dir.path().join(format!("out-{handles}"));
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {handles}; exec \"$@\"")).arg("sh").arg(program);
        command.args(["prepare-data", "--source", "cifar10", "--threads", "1", "--input"]);
        command.arg(dir.path()).arg("--output").arg(&output);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a shell");
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("with {handles} handles it does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let end = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&end.stderr);
        if error.starts_with("error: ") {
            assert!(error.contains("Too many open files"), "{handles} handles: {error}");
            refused += 1;
        }
    }
    assert!(refused > 0, "some number is enough for the program, and too few for its lock");
}
