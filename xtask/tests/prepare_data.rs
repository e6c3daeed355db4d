//! `cargo xtask prepare-data` is `alexnet prepare-data`: arguments, streams, exit code and signals.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// In the place of cargo stands a script that says how it was called and which process it is.
#[test]
fn it_becomes_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let cargo = dir.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho $$ >&2\nprintf '%s\\n' \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let given = ["--help", "--input", "a b", "--json", "--merge", "--", "-x"];
    let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("prepare-data")
        .args(given)
        .env("CARGO", &cargo)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The same process: what signals the one signals the other.
    let id = child.id().to_string();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap().trim(), id);
    assert_eq!(output.status.code(), Some(7));
    let text = String::from_utf8(output.stdout).unwrap();
    let (cargo, program) = text.split_once("\n--\n").unwrap();
    assert!(cargo.starts_with("run\n") && cargo.contains("--package\nalexnet-cli"), "{cargo}");
    let program: Vec<&str> = program.lines().collect();
    assert_eq!(program, [&["prepare-data"], &given[..]].concat());
}
