//! The local step of an all-gather: the channels of several tensors side by side.

use candle_core::{Device, Layout, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use crate::check::{check_channels, check_shape};
use crate::cpu::scratch::uninit;
use crate::layout::{in_logical_order, in_memory_order};
use crate::op::Input;

/// Elements that a thread copies at a time, at least.
const CHUNK: usize = 16 * 1024;

/// The channels of all `parts` in their order: `(B, C₀ + C₁ + …, H, W)` or `(B, C₀ + C₁ + …)`, a
/// copy.
///
/// The parts are on one device: [`copy_to_devices`](crate::copy_to_devices) brings them there.
/// candle does not differentiate through this; it serves backward passes that are written by hand.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let first = Tensor::new(&[[1f32, 2.0], [4.0, 5.0]], &Device::Cpu)?; // 2 channels of 2 images
/// let second = Tensor::new(&[[3f32], [6.0]], &Device::Cpu)?; // 1 channel of each
/// let all = alexnet_kernels::all_gather(&[first, second])?;
/// assert_eq!(all.to_vec2::<f32>()?, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// No parts; ranks other than 2 and 4; dtypes other than f32, on a GPU also bf16; dimensions
/// besides C that differ.
pub fn all_gather(parts: &[Tensor]) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("all-gather: there is nothing to join") };
    for part in parts {
        check_channels("all-gather", part)?;
        let mut expected = first.dims().to_vec();
        expected[1] = part.dims().get(1).copied().unwrap_or(0);
        check_shape("all-gather", "a part", part, &expected)?;
    }
    let parts = parts.iter().map(in_memory_order).collect::<Result<Vec<_>>>()?; // (…, C)
    let last = first.rank() - 1;
    if !first.device().is_cpu() {
        return in_logical_order(&Tensor::cat(&parts, last)?);
    }
    let rows = first.elem_count() / first.dim(1)?;
    let widths = parts.iter().map(|part| part.dim(last)).collect::<Result<Vec<_>>>()?;
    let row: usize = widths.iter().sum();
    let guards: Vec<_> = parts.iter().map(Tensor::storage_and_layout).collect();
    let sources = guards.iter().map(|(storage, l)| floats(storage, l));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let mut dims = parts[0].dims().to_vec();
    dims[last] = row;
    // SAFETY: the loop below writes the `row` elements of each of the `rows` rows.
    let mut joined = unsafe { uninit::<f32>(rows * row)? };
    let rows_each = CHUNK.div_ceil(row);
    joined.par_chunks_mut(rows_each * row).enumerate().for_each(|(chunk, joined)| {
        for (number, joined) in (chunk * rows_each..).zip(joined.chunks_exact_mut(row)) {
            let mut rest = joined;
            for (source, &width) in sources.iter().zip(&widths) {
                let own;
                (own, rest) = rest.split_at_mut(width);
                own.copy_from_slice(&source[number * width..][..width]);
            }
        }
    });
    in_logical_order(&Tensor::from_vec(joined, dims, &Device::Cpu)?)
}

fn floats<'a>(storage: &'a Storage, layout: &'a Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => Input { op: "all-gather", storage, layout }.values::<f32>(),
        _ => bail!("all-gather: the parts are on different devices"),
    }
}
