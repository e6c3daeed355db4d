//! The self-test passes on the CPU, and finds every operation whose results are made wrong.

#[path = "../src/selftest/bounds.rs"]
#[allow(dead_code)] // only some bounds are tested by themselves
mod bounds;

use alexnet_train::{DeviceName, Precision, SelftestOptions, SelftestRow, selftest};

fn rows(spoil: &[&str]) -> Vec<SelftestRow> {
    let options = SelftestOptions {
        device: DeviceName::Cpu,
        precisions: vec![Precision::F32],
        deterministic: false,
        spoil: spoil.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut heard = 0;
    let rows = selftest(&options, &mut |_| heard += 1).unwrap();
    assert_eq!(heard, rows.len());
    rows
}

/// Every operation of the crate that computes something.
const OPERATIONS: [&str; 16] = [
    "avg-pool",
    "conv2d",
    "dropout",
    "input",
    "linear",
    "local2d",
    "lrn",
    "lrn-pool",
    "map-norm",
    "max-pool",
    "relu",
    "softmax",
    "split step",
    "step",
    "tanh",
    "update",
];

/// Misses where an operation of `spoilt` gave results that are not 0.
#[track_caller]
fn check(spoilt: &[&str]) -> Vec<SelftestRow> {
    let rows = rows(spoilt);
    // "weights moved" compares results with each other.
    for row in rows.iter().filter(|row| row.what != "weights moved") {
        let wrong = spoilt.contains(&row.operation.as_str()) && row.error > 0.0;
        assert_eq!(row.passed, !wrong, "{spoilt:?} are spoilt: {row:?}");
    }
    rows
}

#[test]
fn right_results_pass_and_wrong_ones_of_any_operation_miss() {
    let right = check(&[]);
    assert!(right.iter().all(|row| row.passed));
    let wrong = check(&OPERATIONS);
    for operation in OPERATIONS {
        let of = |rows: &[SelftestRow]| {
            rows.iter().filter(|r| r.operation == operation).cloned().collect::<Vec<_>>()
        };
        assert!(!of(&right).is_empty(), "{operation} is not tested");
        let missed = of(&wrong).iter().filter(|row| !row.passed).count();
        assert!(missed > 0, "{operation} is wrong and passes");
    }
    let one = check(&["lrn"]);
    assert!(one.iter().all(|row| row.passed != (row.operation == "lrn")));
}

#[test]
fn the_cpu_computes_in_f32_only() {
    let options = SelftestOptions {
        device: DeviceName::Cpu,
        precisions: vec![Precision::Bf16],
        deterministic: false,
        spoil: Vec::new(),
    };
    let error = selftest(&options, &mut |_| ()).unwrap_err().to_string();
    assert_eq!(error, "precision bf16 needs a GPU: use --device cuda:0, or --precision f32");
}

#[test]
fn errors_are_seen() {
    assert_eq!(bounds::largest(&[1.0, 2.0, -4.0], &[1.0, 2.5, -4.0]), 0.125);
    assert!(bounds::largest(&[f64::NAN, 1.0], &[1.0, 1.0]).is_nan());
    assert!(bounds::largest(&[1.0, f64::NAN], &[1.0, 1.0]).is_nan());
    assert_eq!(bounds::norm(&[3.0, 4.0], &[0.0, 4.0]), 0.75);
    assert!(bounds::norm(&[f64::NAN], &[1.0]).is_nan());
}

#[test]
fn bounds_see_a_wrong_term() {
    // One term of k too many changes a sum of k random terms by about 1/√k of it.
    for terms in [9usize, 363, 2304] {
        let wrong = 1.0 / (terms as f64).sqrt();
        assert!(bounds::matmul(Precision::F32, terms, 1) < wrong / 100.0);
        assert!(bounds::matmul(Precision::Tf32, terms, 1) < wrong / 5.0);
        assert!(bounds::matmul(Precision::Bf16, terms, 2) < wrong);
    }
}
