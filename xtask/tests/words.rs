//! What tasks say where no one reads it, and about arguments that cannot be.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::{Command, Output, Stdio};

fn xtask(arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(arguments).stdout(stdout).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    output
}

/// A reader that is gone ends a task quietly, a full disk is an error.
#[test]
fn no_one_reads() {
    for arguments in [&["--help"][..], &["bench", "--help"], &["cuda", "bundle", "--help"]] {
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        let output = xtask(arguments, gone.into());
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(xtask(arguments, full.into()).status.code(), Some(1), "{arguments:?}");
    }
}

/// Numbers have ranges, and messages repeat little of what they are about.
#[test]
fn wrong_arguments_are_one_line() {
    let (huge, long) = ("18446744073709551615", "x".repeat(5000));
    for arguments in [
        ["bench", "--batch", "0"],
        ["bench", "--batch", huge],
        ["bench", "--threads", huge],
        ["bench", "--rounds", "0"],
        ["bench", "--steps", huge],
        ["bench", "--steps", &long],
        ["cuda", "bundle", "--arch=70"],
        ["cuda", "bundle", &long],
    ] {
        let output = xtask(&arguments, Stdio::piped());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.lines().count() == 1 && error.len() < 1000, "{error}");
        assert!(error.contains("invalid value") || error.contains("unexpected"), "{error}");
    }
}
