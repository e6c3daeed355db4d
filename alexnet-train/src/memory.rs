//! Whether a batch fits into a GPU's memory, before a run begins rather than in its middle.

use alexnet_kernels::{ComputeDevice, GpuMemory, is_out_of_memory};
use alexnet_model::{FusedLayer, Network, StepMemory};

use crate::error::Error;

/// The bytes that the libraries use, and those that are lost between tensors of different sizes.
const OVERHEAD: u64 = 1 << 30;

/// The bytes that a step with batches of `batch` images needs.
fn needs(layers: &[FusedLayer], batch: usize, compute: &ComputeDevice) -> u64 {
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
        let Some(GpuMemory { free, .. }) = compute.memory() else { continue };
        // Towers on the same GPU share its memory equally.
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
