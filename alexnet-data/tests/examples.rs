//! The lessons in `examples/` run without arguments.

use std::process::Command;

/// What an example prints. `cargo test` has built the examples beside the tests.
fn run(example: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join(example).with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(&program).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn read() {
    let text = run("01_read");
    assert!(text.starts_with("train: 20 images in 10 classes\nval: 10 images"), "{text}");
    assert!(text.contains("the first train image is a "), "{text}");
}

#[test]
fn prepare() {
    let text = run("02_prepare");
    assert!(text.contains("Train: 200 images\nVal: 50 images\n250 images, 0 could not"), "{text}");
    assert!(text.ends_with("\n0 faults\n"), "{text}");
}

#[test]
fn batches() {
    let text = run("03_batches");
    assert!(text.contains("step 2: 4 images") && text.contains("10 images at (2, 2)"), "{text}");
}

#[test]
fn decoding_rate() {
    assert!(run("04_decoding_rate").contains("(30 images, 5898240 values)"));
}
