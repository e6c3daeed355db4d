//! What a training step on a GPU allocates and waits for: the difference of two runs of which one
//! has more steps.

use std::collections::BTreeMap;

use crate::{BATCH, LONG, SHORT, counts_in, train};

/// So many more steps the longer of two runs has.
const MORE: i64 = (10 * (LONG - SHORT) / BATCH) as i64;

/// What the emulator counted in a training.
fn counts(data: &str, job: &[&str]) -> BTreeMap<String, i64> {
    let run = format!("steps-{data}-{}", job.join("")).replace([':', ',', '='], "-");
    let output = train(&run, data, job, &[("ALEXNET_EMULATOR_COUNTS", "1")]);
    counts_in(&output)
}

/// After the first steps a step takes no memory and waits for nothing but losses.
fn check(mean: &str, device: &str, precision: &str) {
    let mean = format!("input.mean={mean}");
    let job = ["--device", device, "--precision", precision, "--set", &mean];
    let (few, many) = (counts("short", &job), counts("long", &job));
    let more = |what: &str| many.get(what).unwrap_or(&0) - few.get(what).unwrap_or(&0);
    assert!(more("launches") > 20 * MORE, "the steps launch {} kernels", more("launches"));
    for what in [
        "times the pool grew",
        "pinned buffers",
        "searches for algorithms of convolutions",
        "waits for a device",
        "waits for a stream",
        "convolutions of memory not aligned to 16 bytes",
        "matmuls of memory not aligned to 16 bytes",
    ] {
        assert_eq!(more(what), 0, "{MORE} more steps make more {what}");
    }
    // What is read of a step is its losses.
    for what in ["copies to the host", "copies of memory that is not pinned"] {
        assert_eq!(more(what), MORE, "{MORE} more steps: {what}");
    }
    // A step waits until the GPU has read the batch before the last, which it did long ago.
    let (waits, devices) = (more("waits for an event"), device.split(',').count() as i64);
    assert!(waits <= devices * MORE, "{MORE} more steps wait {waits} times more");
}

#[test]
fn in_bf16() {
    check("centre-window", "cuda:0", "bf16");
}

#[test]
fn in_f32_with_aligned_batches() {
    check("aligned", "cuda:0", "f32");
}

#[test]
fn on_two_gpus() {
    check("centre-window", "cuda:0,cuda:1", "bf16");
}
