//! A disk that fails in a run, at some of its calls; `bench/faults.py` makes each of them fail.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stdout)] // says why a test is skipped

use std::path::Path;
use std::process::Command;

#[test]
fn a_run_survives_failing_calls() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to make calls fail");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/faults.py");
    let mut faults = Command::new("python3");
    faults.arg(script).args(["--alexnet", env!("CARGO_BIN_EXE_alexnet"), "--every", "28"]);
    let output = faults.output().unwrap();
    let [text, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    if errors.contains("gives no seccomp listener") {
        println!("skipped: this system does not let calls fail");
        return;
    }
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains(": 0 wrong"), "{text}");
}
