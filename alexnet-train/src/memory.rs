//! Whether a batch fits into memory, before a run begins rather than in its middle.

use alexnet_kernels::{ComputeDevice, GpuMemory, is_out_of_memory};
use alexnet_model::{FusedLayer, Network, StepMemory};

use crate::error::Error;
use crate::system::available_memory;

/// The bytes that the libraries use, and those that are lost between tensors of different sizes.
const OVERHEAD: u64 = 1 << 30;

/// The bytes that a step with batches of `batch` images needs: on a GPU about so many, on the CPU
/// no fewer than so many.
fn needs(layers: &[FusedLayer], batch: usize, compute: &ComputeDevice) -> u64 {
    if !compute.is_async() {
        return StepMemory::on_cpu(layers, batch).total();
    }
    let image = layers.first().map_or(0, |first| first.input.elem_count());
    let pixels = 2 * (batch * image) as u64; // of this batch and of the next, which is on its way
    StepMemory::on_gpu(layers, batch, compute.activations()).total() + pixels + OVERHEAD
}

/// Refuses a batch that does not fit. `towers` are the layers on each of `devices`.
pub(crate) fn check(
    towers: &[Vec<FusedLayer>],
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(), Error> {
    for (tower, compute) in towers.iter().zip(devices) {
        let free = match compute.is_async() {
            true => compute.memory().map(|gpu| gpu.free),
            false => available_memory(),
        };
        let Some(free) = free else { continue };
        // Towers on the same device share its memory equally.
        let sharing = devices.iter().filter(|other| other.name() == compute.name()).count();
        let free = free / sharing as u64;
        if needs(tower, batch, compute) > free {
            return Err(too_large(tower, batch, compute, free, free));
        }
    }
    Ok(())
}

/// The error of a step; where a GPU's memory ran out all the same, one that says which batch fits.
pub(crate) fn explain(
    error: Error,
    network: &Network,
    batch: usize,
    devices: &[ComputeDevice],
) -> Error {
    // Those of the first tower, because towers are alike.
    let ([tower, ..], [compute, ..]) = (network.towers(), devices) else { return error };
    match (&error, compute.memory()) {
        (Error::Tensor(tensor), Some(GpuMemory { free, .. })) if is_out_of_memory(tensor) => {
            // The tensors of this step are freed, so what is free now is what other programs left.
            too_large(tower.layers(), batch, compute, free, free * 9 / 10)
        }
        _ => error,
    }
}

/// The error of a batch that does not fit, with the largest that needs at most `usable` bytes.
fn too_large(
    layers: &[FusedLayer],
    batch: usize,
    compute: &ComputeDevice,
    free: u64,
    usable: u64,
) -> Error {
    let of = |batch| needs(layers, batch, compute);
    let (mut fits, mut too_large) = (0, batch);
    while too_large - fits > 1 {
        let middle = fits.midpoint(too_large);
        if of(middle) <= usable { fits = middle } else { too_large = middle }
    }
    Error::Memory { device: compute.name().to_string(), batch, needs: of(batch), free, fits }
}

#[cfg(test)]
mod tests {
    use alexnet_model::NetworkSpec;

    use super::*;

    /// A batch of a million needs terabytes, on a machine or on each of its towers.
    #[test]
    fn a_batch_that_no_machine_holds_is_refused() {
        let network = NetworkSpec::preset("original").unwrap();
        for count in [1, 2] {
            let devices = vec![ComputeDevice::cpu(); count];
            let towers = network.fused_layers_on(count).unwrap();
            check(&towers, 1, &devices).unwrap();
            let text = check(&towers, 1_000_000, &devices).unwrap_err().to_string();
            assert!(text.starts_with("cpu: a step with a batch of 1000000 needs about"), "{text}");
            assert!(text.contains("--set batch="), "{text}");
        }
    }
}
