//! The memory plan against a forward pass: what it says is saved is what the tape holds.

mod common;

use std::collections::HashSet;

use alexnet_model::{FrozenLayers, LayerKind, Mode, Network, NetworkSpec, StepMemory};
use candle_core::{DType, Device, Result, Tensor};
use common::Sizes;

/// The memory of all different tensors among `tensors`, in bytes.
fn bytes<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> u64 {
    let mut seen = HashSet::new();
    let new = tensors.filter(|tensor| seen.insert(tensor.id()));
    new.map(|tensor| (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64).sum()
}

#[test]
fn the_plan_saves_what_the_tape_holds() -> Result<()> {
    const BATCH: usize = 3;
    let demo = NetworkSpec::preset("demo").unwrap();
    for spec in [Sizes::TOY.spec(), Sizes::TOY.spec_with_local(), demo] {
        for devices in [1, spec.towers] {
            let network = Network::new(&spec, 1, &Device::Cpu)?;
            let network = network.to_devices(&vec![Device::Cpu; devices], DType::F32)?;
            let [c, h, w] = spec.input;
            let images = Tensor::zeros((BATCH, c, h, w), DType::F32, &Device::Cpu)?;
            let mode = Mode::Train { seed: 1, step: 0 };
            let tape = network.forward_tape(&images, mode, FrozenLayers::NONE)?;
            for (tower, saved) in network.towers().iter().zip(tape.towers()) {
                // A tower's own logits are its share; on one device they are the tape's.
                let logits = BATCH * tower.layers().last().unwrap().output.elem_count() * 4;
                let saved = bytes(saved.iter().flatten().chain([&images])) + logits as u64;
                assert_eq!(StepMemory::on_cpu(tower.layers(), BATCH).saved, saved, "{devices}");
            }
        }
    }
    Ok(())
}

/// A step has more at its peak than between its passes, and a larger batch needs more of everything
/// but parameters.
#[test]
fn plans_grow_with_the_batch() {
    for name in NetworkSpec::presets() {
        let layers = NetworkSpec::preset(name).unwrap().fused_layers().unwrap();
        let [few, many] = [8, 16].map(|batch| StepMemory::on_cpu(&layers, batch));
        assert_eq!(few.parameters, many.parameters);
        assert!(few.saved < few.activations && few.activations <= few.activations_by_length);
        assert!(few.activations < many.activations && many.saved == 2 * few.saved, "{name}");
    }
}

/// A GPU keeps images in blocks of pixels where it convolves them so, and computes each norm of
/// `original` in one pass, so that nothing of one is in memory meanwhile.
#[test]
fn a_gpu_has_blocks_of_pixels_and_no_scratch_of_norms() {
    const BATCH: usize = 8;
    let layers = NetworkSpec::preset("original").unwrap().fused_layers().unwrap();
    let [cpu, gpu] =
        [StepMemory::on_cpu(&layers, BATCH), StepMemory::on_gpu(&layers, BATCH, DType::F32)];
    let (blocks, pixels) = (57 * 57 * 48, 3 * 224 * 224);
    assert_eq!(gpu.saved - cpu.saved, (BATCH * 4 * (blocks - pixels)) as u64);

    // With another exponent there are no such kernels: of some lengths there are more buffers.
    let lengths = |beta_of_lrn, beta_of_map_norm| {
        let mut layers = layers.clone();
        for layer in &mut layers {
            match &mut layer.kind {
                LayerKind::Lrn { beta, .. } => *beta = beta_of_lrn,
                LayerKind::MapNorm { beta, .. } => *beta = beta_of_map_norm,
                _ => {}
            }
        }
        StepMemory::on_gpu(&layers, BATCH, DType::BF16).activations_by_length
    };
    let least = lengths(0.75, 0.75);
    assert_eq!(lengths(0.8, 0.75) - least, (BATCH * 2 * 55 * 55 * 96) as u64);
    assert_eq!(lengths(0.75, 0.8) - least, (2 * BATCH * 4 * 27 * 27 * 256) as u64);
    let bf16 = StepMemory::on_gpu(&layers, BATCH, DType::BF16);
    assert!(bf16.activations < gpu.activations && bf16.parameters > gpu.parameters);
}
