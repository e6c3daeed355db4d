//! The memory plan against a forward pass: what it says is saved is what the tape holds.

mod common;

use std::collections::HashSet;

use alexnet_model::{Mode, Network, NetworkSpec, StepMemory};
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
    for spec in [Sizes::TOY.spec(), NetworkSpec::preset("demo").unwrap()] {
        for devices in [1, 2] {
            let network = Network::new(&spec, 1, &Device::Cpu)?;
            let network = network.to_devices(&vec![Device::Cpu; devices], DType::F32)?;
            let [c, h, w] = spec.input;
            let images = Tensor::zeros((BATCH, c, h, w), DType::F32, &Device::Cpu)?;
            let tape = network.forward_tape(&images, Mode::Train { seed: 1, step: 0 })?;
            for (tower, saved) in network.towers().iter().zip(tape.towers()) {
                // A tower's own logits are its share; on one device they are the tape's.
                let logits = BATCH * tower.layers().last().unwrap().output.elem_count() * 4;
                let saved = bytes(saved.iter().flatten().chain([&images])) + logits as u64;
                assert_eq!(StepMemory::new(tower.layers(), BATCH, 4).saved, saved, "{devices}");
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
        let [few, many] = [8, 16].map(|batch| StepMemory::new(&layers, batch, 4));
        assert_eq!(few.parameters, many.parameters);
        assert!(few.saved < few.activations && few.activations <= few.activations_by_length);
        assert!(few.activations < many.activations && many.saved == 2 * few.saved, "{name}");
    }
}
