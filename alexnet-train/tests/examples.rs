//! The lessons of `examples/` run without arguments; what they compute they check themselves.

use std::process::Command;

fn run(example: &str) -> String {
    let arguments = ["run", "--quiet", "--locked", "-p", "alexnet-train", "--example", example];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn train_demo() {
    let text = run("01_train_demo");
    assert_eq!(text.lines().filter(|line| line.starts_with("Step {")).count(), 10, "{text}");
    assert!(text.ends_with(" % of the test images are wrong\n"), "{text}");
}

#[test]
fn evaluate() {
    let text = run("02_evaluate");
    assert!(text.starts_with("top-1 error ") && text.lines().count() == 4, "{text}");
}

#[test]
fn candle_convolutions() {
    let (program, small) = ("03_candle_convolutions", ["--batch", "1", "--steps", "1"]);
    let arguments = ["run", "--quiet", "--locked", "-p", "alexnet-train", "--example", program];
    let output = Command::new(env!("CARGO")).args(arguments).arg("--").args(small).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.contains(r#""step_seconds":["#), "{text}");
}
