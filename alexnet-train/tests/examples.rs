//! Every lesson of `examples/` runs; what it computes it checks itself.

#![allow(dead_code)] // `main` of two lessons, which reads arguments

#[path = "../examples/03_candle_convolutions.rs"]
mod candle_convolutions;
#[path = "../examples/02_evaluate.rs"]
mod evaluate;
#[path = "../examples/04_own_loop.rs"]
mod own_loop;
#[path = "../examples/01_train_demo.rs"]
mod train_demo;

#[test]
fn train_demo() {
    train_demo::main().unwrap();
}

#[test]
fn evaluate() {
    evaluate::run(None).unwrap();
}

#[test]
fn candle_convolutions() {
    let line = candle_convolutions::measured(1, 2).unwrap();
    assert_eq!(line["step_seconds"].as_array().unwrap().len(), 2, "{line}");
}

#[test]
fn own_loop() {
    own_loop::main().unwrap();
}

/// No lesson is forgotten.
#[test]
fn all_lessons_are_run() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 4);
}
