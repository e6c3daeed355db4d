//! Whether a batch fits on a card, before a run begins rather than in its middle.

use alexnet_kernels::{ComputeDevice, GpuMemory, is_out_of_memory};
use alexnet_model::{FusedLayer, Network, StepMemory};

use crate::Error;

/// What the libraries load and use beside tensors, in bytes, and what pieces of memory that fit nothing come to.
const BESIDE: u64 = 1 << 30;

/// What a step with batches of `batch` images needs on a card, in bytes.
fn needs(layers: &[FusedLayer], batch: usize, compute: &ComputeDevice) -> u64 {
    let bytes = compute.activations().size_in_bytes();
    let image = layers.first().map_or(0, |first| first.input.elem_count());
    let pixels = 2 * (batch * image) as u64; // one batch to work on, one on its way
    StepMemory::new(layers, batch, bytes).total() + pixels + BESIDE
}

/// The largest batch, at most `most`, that `needs` at most `free` bytes; 0 if not one image fits.
fn fits(most: usize, free: u64, needs: impl Fn(usize) -> u64) -> usize {
    let (mut fits, mut not) = (0, most + 1);
    while not - fits > 1 {
        let middle = fits + (not - fits) / 2;
        if needs(middle) <= free { fits = middle } else { not = middle }
    }
    fits
}

/// Refuses a batch for which the card of a tower has too little memory; `towers` is what is on each of `devices`.
pub(crate) fn check(
    towers: &[Vec<FusedLayer>],
    batch: usize,
    devices: &[ComputeDevice],
) -> Result<(), Error> {
    for (tower, compute) in towers.iter().zip(devices) {
        if let Some(GpuMemory { free, total }) = compute.memory() {
            // A card that stands in for several is theirs in equal parts.
            let alike =
                devices.iter().filter(|other| other.name() == compute.name()).count() as u64;
            enough(tower, batch, compute, GpuMemory { free: free / alike, total })?;
        }
    }
    Ok(())
}

fn enough(
    layers: &[FusedLayer],
    batch: usize,
    compute: &ComputeDevice,
    GpuMemory { free, .. }: GpuMemory,
) -> Result<(), Error> {
    let of = |batch| needs(layers, batch, compute);
    if of(batch) <= free {
        return Ok(());
    }
    let device = compute.name().to_string();
    Err(Error::Memory { device, batch, needs: of(batch), free, fits: fits(batch, free, of) })
}

/// An error of a step; where a card's memory ran out all the same, the one that says what would fit.
pub(crate) fn explain(
    error: Error,
    network: &Network,
    batch: usize,
    devices: &[ComputeDevice],
) -> Error {
    // The first one's: towers are alike.
    let ([tower, ..], [compute, ..]) = (network.towers(), devices) else { return error };
    match (&error, compute.memory()) {
        (Error::Tensor(tensor), Some(memory)) if is_out_of_memory(tensor) => {
            // What is free now is what others have left; this step's own tensors are gone.
            let of = |batch| needs(tower.layers(), batch, compute);
            let fits = fits(batch.saturating_sub(1), memory.free * 9 / 10, of);
            let device = compute.name().to_string();
            Error::Memory { device, batch, needs: of(batch), free: memory.free, fits }
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
        assert_eq!(fits(64, 100 + 10 * 64, needs), 64);
        assert_eq!(fits(64, 100 + 10 * 37 + 9, needs), 37);
        assert_eq!(fits(64, 109, needs), 0);
        assert_eq!(fits(0, u64::MAX, needs), 0);
    }

    #[test]
    fn too_large_a_batch_is_refused_with_one_that_fits() {
        let layers = NetworkSpec::preset("demo").unwrap().fused_layers().unwrap();
        let cpu = ComputeDevice::cpu();
        assert!(
            check(std::slice::from_ref(&layers), 1 << 20, std::slice::from_ref(&cpu)).is_ok(),
            "the processor's memory is the system's affair"
        );
        let memory = GpuMemory { free: 3 << 30, total: 8 << 30 };
        assert!(enough(&layers, 16, &cpu, memory).is_ok());
        let error = enough(&layers, 1 << 20, &cpu, memory).unwrap_err();
        let Error::Memory { batch, needs, free, fits, .. } = error else { panic!("{error}") };
        assert_eq!((batch, free), (1 << 20, 3 << 30));
        assert!(needs > free && fits > 16);
        assert!(enough(&layers, fits, &cpu, memory).is_ok());
        assert!(enough(&layers, fits + 1, &cpu, memory).is_err());
    }
}
