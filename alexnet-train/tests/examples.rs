//! The lessons of `examples/` run without arguments; what they compute they check themselves.

use std::process::Command;

/// What an example prints. `cargo test` has built the examples beside the tests.
fn run(example: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join(example).with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(&program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn train_demo() {
    let text = run("01_train_demo", &[]);
    assert_eq!(text.lines().filter(|line| line.starts_with("Step {")).count(), 10, "{text}");
    assert!(text.ends_with(" % of the test images are wrong\n"), "{text}");
}

#[test]
fn evaluate() {
    let text = run("02_evaluate", &[]);
    assert!(text.starts_with("top-1 error ") && text.lines().count() == 4, "{text}");
}

#[test]
fn candle_convolutions() {
    let text = run("03_candle_convolutions", &["--batch", "1", "--steps", "1"]);
    assert!(text.contains(r#""step_seconds":["#), "{text}");
}
