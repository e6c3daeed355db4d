//! The lessons in `examples/` run, and show what they say.

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

/// The number after the last `label` in `text`.
fn last(text: &str, label: &str) -> f64 {
    let (_, number) = text.trim().rsplit_once(label).unwrap();
    number.trim().parse().unwrap()
}

#[test]
fn a_layer_has_the_shapes_of_the_paper() {
    let text = run("01_layer");
    assert!(text.contains("[2, 96, 55, 55]") && text.ends_with("[2, 96, 27, 27]\n"), "{text}");
}

#[test]
fn candles_gradient_is_that_of_finite_differences() {
    let text = run("02_autograd");
    assert!(last(&text, "elements:") < 1e-2, "{text}");
}

#[test]
fn the_loss_falls() {
    let text = run("03_by_hand");
    assert!(last(&text, "loss") < 0.01, "{text}");
}

#[test]
fn steps_under_a_guard_allocate_once() {
    let text = run("04_pool");
    let bytes: Vec<_> =
        text.lines().map(|line| line.ends_with(": 0 bytes from the system")).collect();
    assert_eq!(bytes, [false, false, false, false, false, false, true, true], "{text}");
}
