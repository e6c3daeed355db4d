//! The self-test passes on the processor, and finds every operation whose results are made wrong.

use alexnet_train::{DeviceName, Precision, SelftestOptions, SelftestRow, selftest};

fn rows(spoil: Option<&str>) -> Vec<SelftestRow> {
    let options = SelftestOptions {
        device: DeviceName::Cpu,
        precisions: vec![Precision::F32],
        deterministic: false,
        spoil: spoil.map(str::to_owned),
    };
    let mut heard = 0;
    let rows = selftest(&options, &mut |_| heard += 1).unwrap();
    assert_eq!(heard, rows.len());
    rows
}

#[test]
fn right_results_pass_and_wrong_ones_of_any_operation_miss() {
    let right = rows(None);
    let missed: Vec<_> = right.iter().filter(|row| !row.passed).collect();
    assert!(missed.is_empty(), "{missed:?}");
    let mut operations: Vec<&str> = right.iter().map(|row| row.operation.as_str()).collect();
    operations.dedup();
    for operation in [
        "conv2d", "lrn", "map-norm", "max-pool", "linear", "relu", "dropout", "input", "softmax",
        "update", "step",
    ] {
        assert!(operations.contains(&operation), "{operation} is not tested");
        for row in rows(Some(operation)) {
            // Labels of 0 are 0 whatever they are multiplied by, and so is the loss of one class alone; "twice" compares
            // results with each other, and so does "weights moved".
            let spoilt = row.operation == operation && row.error > 0.0;
            if row.what != "weights moved" {
                assert_eq!(row.passed, !spoilt, "{operation} is spoilt: {row:?}");
            }
        }
    }
}
