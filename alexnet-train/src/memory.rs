//! Whether a batch fits into a GPU's memory, before a run begins rather than in its middle.

use alexnet_kernels::{ComputeDevice, GpuMemory, is_out_of_memory};
use alexnet_model::{FusedLayer, Network, StepMemory};

use crate::error::Error;

/// The bytes that the libraries use, and those that are lost between tensors of different sizes.
const OVERHEAD: u64 = 1 << 30;

/// The bytes that a step with batches of `batch` images needs.
fn needs(layers: &[FusedLayer], batch: usize, compute: &ComputeDevice) -> u64 {
    let bytes = compute.activations().size_in_bytes();
    let image = layers.first().map_or(0, |first| first.input.elem_count());
    let pixels = 2 * (batch * image) as u64; // of this batch and of the next, which is on its way
    StepMemory::new(layers, batch, bytes).total() + pixels + OVERHEAD
}

/// The largest batch, at most `most`, that `needs` at most `free` bytes; 0 if not one image fits.
fn largest_batch(most: usize, free: u64, needs: impl Fn(usize) -> u64) -> usize {
    let (mut fits, mut too_large) = (0, most + 1);
    while too_large - fits > 1 {
        let middle = fits + (too_large - fits) / 2;
        if needs(middle) <= free { fits = middle } else { too_large = middle }
    }
    fits
}

/// Refuses a batch that needs more memory than a GPU has free. `towers` are the layers on each of
/// `devices`.
pub(crate) fn check(
    towers: &[Vec<FusedLayer>],
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(), Error> {
    for (tower, compute) in towers.iter().zip(devices) {
        if let Some(GpuMemory { free, .. }) = compute.memory() {
            // Towers on the same GPU share its memory equally.
            let sharing = devices.iter().filter(|other| other.name() == compute.name()).count();
            check_tower(tower, batch, compute, free / sharing as u64)?;
        }
    }
    Ok(())
}

fn check_tower(
    layers: &[FusedLayer],
    batch: usize,
    compute: &ComputeDevice,
    free: u64,
) -> Result<(), Error> {
    let of = |batch| needs(layers, batch, compute);
    if of(batch) <= free {
        return Ok(());
    }
    let device = compute.name().to_string();
    Err(Error::Memory {
        device,
        batch,
        needs: of(batch),
        free,
        fits: largest_batch(batch, free, of),
    })
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
            let of = |batch| needs(tower.layers(), batch, compute);
            let fits = largest_batch(batch.saturating_sub(1), free * 9 / 10, of);
            let device = compute.name().to_string();
            Error::Memory { device, batch, needs: of(batch), free, fits }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use alexnet_model::NetworkSpec;

    use super::*;

    #[test]
    fn the_largest_batch_that_fits() {
        let needs = |batch: usize| 100 + 10 * batch as u64;
        assert_eq!(largest_batch(64, 100 + 10 * 64, needs), 64);
        assert_eq!(largest_batch(64, 100 + 10 * 37 + 9, needs), 37);
        assert_eq!(largest_batch(64, 109, needs), 0);
        assert_eq!(largest_batch(0, u64::MAX, needs), 0);
    }

    #[test]
    fn too_large_a_batch_is_refused_with_one_that_fits() {
        let layers = NetworkSpec::preset("demo").unwrap().fused_layers().unwrap();
        let cpu = ComputeDevice::cpu();
        assert!(
            check(std::slice::from_ref(&layers), 1 << 20, std::slice::from_ref(&cpu)).is_ok(),
            "the CPU's memory is not checked"
        );
        let memory = 3 << 30;
        assert!(check_tower(&layers, 16, &cpu, memory).is_ok());
        let error = check_tower(&layers, 1 << 20, &cpu, memory).unwrap_err();
        let Error::Memory { batch, needs, free, fits, .. } = error else { panic!("{error}") };
        assert_eq!((batch, free), (1 << 20, 3 << 30));
        assert!(needs > free && fits > 16);
        assert!(check_tower(&layers, fits, &cpu, memory).is_ok());
        assert!(check_tower(&layers, fits + 1, &cpu, memory).is_err());
    }
}
