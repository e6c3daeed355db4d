//! The bytes that a training step reads and writes, as the emulator counts them in the one step
//! that `alexnet bench --profile` runs: each element of a buffer once a launch.

use alexnet_model::{FusedLayer, NetworkSpec};

use crate::{counts_in, succeed};

/// The most that may be moved for each image, as a multiple of [`floor_per_image`].
const MOST_PER_IMAGE: f64 = 1.35;
/// The most that may be moved in a step whatever its batch, as a multiple of
/// [`floor_of_the_update`].
const MOST_OF_THE_UPDATE: f64 = 1.33;

/// Bytes of an activation and of the gradient of a weight, in bf16.
const SHORT: f64 = 2.0;

fn network() -> NetworkSpec {
    let mut network = NetworkSpec::preset("original").unwrap();
    network.layers.retain(|layer| layer.name != "norm2");
    network
}

/// What no step can do without, an image. Layers without weights up to the next with weights are
/// one stage, a layer with weights is another. Forward, a stage reads its input and writes its
/// output. Backward, one with weights reads its input and the gradient of its output for its own
/// gradient, and for that of its input, which it writes, the gradient of its output again; another
/// reads the gradient of its output, and its input where it normalizes, and writes the gradient of
/// its input.
fn floor_per_image(layers: &[FusedLayer]) -> f64 {
    let mut values = 0.0;
    let stages = layers.chunk_by(|a, b| a.weight.is_none() && b.weight.is_none());
    for stage in stages {
        let (first, last) = (&stage[0], &stage[stage.len() - 1]);
        let (x, y) = (first.input.elem_count() as f64, last.output.elem_count() as f64);
        let kinds = |kind: &str| stage.iter().any(|layer| layer.kind.word() == kind);
        if kinds("dropout") {
            continue; // it can be part of the layer before it
        }
        let forward = x + y;
        let backward = match () {
            () if first.weight.is_some() && first.index == 0 => x + y,
            () if first.weight.is_some() => 2.0 * (x + y),
            () if kinds("lrn") => 2.0 * x + y,
            () => x + y,
        };
        values += forward + backward;
    }
    SHORT * values
}

/// What no step can do without, whatever its batch: for each parameter the update reads its
/// gradient, reads and writes it and its velocity in f32, and writes its copy in bf16.
fn floor_of_the_update(layers: &[FusedLayer]) -> f64 {
    let parameters: u64 = layers.iter().map(FusedLayer::parameter_count).sum();
    (SHORT + 4.0 * 4.0 + SHORT) * parameters as f64
}

/// Launches, other calls and bytes of a step of so many images.
fn step(batch: usize) -> f64 {
    let batch = batch.to_string();
    let job = ["bench", "--preset", "original", "--without", "norm2", "--batch", &batch];
    let device = ["--device", "cuda:0", "--precision", "bf16", "--profile"];
    let output = succeed(&[&job[..], &device].concat(), &[("ALEXNET_EMULATOR_COUNTS", "1")]);
    let counts = counts_in(&output);
    assert_eq!(counts["ranges for a profiler"], 1);
    let launches = counts["launches in the profiled range"];
    assert!((20..200).contains(&launches), "a step launches {launches} kernels of ours");
    println!("batch {batch}: {launches} launches of our own kernels in a step");
    counts["bytes moved in the profiled range"] as f64
}

#[test]
fn a_step_moves_few_bytes_more_than_it_must() {
    let layers = network().fused_layers().unwrap();
    let (one, two) = (step(1), step(2));
    let per_image = two - one;
    let update = one - per_image;
    let (image_floor, update_floor) = (floor_per_image(&layers), floor_of_the_update(&layers));
    let (images, updates) = (per_image / image_floor, update / update_floor);
    println!("{:.2} MB an image, {images:.3} x {:.2} MB", per_image / 1e6, image_floor / 1e6);
    println!(
        "{:.2} GB whatever the batch, {updates:.3} x {:.2} GB",
        update / 1e9,
        update_floor / 1e9
    );
    assert!(images <= MOST_PER_IMAGE, "{images:.3} x the least, at most {MOST_PER_IMAGE}");
    assert!(
        updates <= MOST_OF_THE_UPDATE,
        "{updates:.3} x the least, at most {MOST_OF_THE_UPDATE}"
    );
    assert!(
        images >= 1.0 && updates >= 1.0,
        "the emulator counts too little, or the least is wrong"
    );
}
