//! What a training step is said to need against what one has taken: the estimate decides which
//! batch a GPU is given.

use std::process::Command;

use alexnet_model::{NetworkSpec, StepMemory};
use serde_json::Value;

/// The most memory of a process that trains `preset` with this batch, in bytes.
fn peak(preset: &str, batch: usize, device: &str) -> Option<f64> {
    let batch = batch.to_string();
    let arguments = ["bench", "--step-only", "--json", "--threads", "1", "--steps", "1"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.args(arguments).args(["--preset", preset, "--batch", &batch, "--device", device]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["peak_memory_bytes"].as_f64() // none where the system does not say
}

/// From one batch to a larger one, process and estimate grow alike. All else in the process stays
/// as it is.
#[test]
fn a_step_takes_what_the_layers_say() {
    for (preset, small, large) in [("demo", 64, 512), ("small", 4, 20)] {
        let network = NetworkSpec::preset(preset).unwrap().fused_layers().unwrap();
        let said = |batch| StepMemory::on_cpu(&network, batch).activations_by_length as f64;
        let (Some(few), Some(many)) = (peak(preset, small, "cpu"), peak(preset, large, "cpu"))
        else {
            return;
        };
        let (said, taken) = (said(large) - said(small), many - few);
        let ratio = said / taken;
        assert!(
            (0.8..1.1).contains(&ratio),
            "{preset}: said {said:.3e}, taken {taken:.3e}: {ratio:.2}"
        );
        let total = StepMemory::on_cpu(&network, large);
        assert!(total.activations <= total.activations_by_length);
    }
}

/// The towers of a split network need what they say, together at most: here they use each other's
/// memory.
#[test]
fn towers_take_no_more_than_they_say() {
    let towers = NetworkSpec::preset("demo").unwrap().fused_layers_on(2).unwrap();
    let said = |batch| {
        let of = |tower: &Vec<_>| StepMemory::on_cpu(tower, batch).activations_by_length as f64;
        towers.iter().map(of).sum::<f64>()
    };
    let (small, large) = (64, 512);
    let (few, many) = (peak("demo", small, "cpu,cpu"), peak("demo", large, "cpu,cpu"));
    let (Some(few), Some(many)) = (few, many) else { return };
    let (said, taken) = (said(large) - said(small), many - few);
    let ratio = said / taken;
    assert!((0.9..1.5).contains(&ratio), "said {said:.3e}, taken {taken:.3e}: {ratio:.2}");
}
