//! Channels of several tensors side by side, and some channels of one: what crosses between the towers of a network.
//!
//! Shapes: `(B, C, H, W)` or `(B, C)`, f32, on a card bf16 too; all dimensions but `C` are equal.
//! Errors: no tensors, other ranks, dtypes or shapes, channels that are not there.
//! No gradients flow through these for candle: they serve passes that are walked by hand.

use std::ops::Range;

use candle_core::{CpuStorage, Storage};
use candle_core::{Device, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::pool::unwritten;
use crate::cpu::simd::vectorized;
use crate::layout::{check_shape, check_values, in_logical_order, in_memory_order, values};

/// Channels that a thread copies at a time, at least.
const LEAST: usize = 16 * 1024;

/// The channels of all `parts`, in their order: `(B, C₀ + C₁ + …, H, W)`, a copy.
///
/// # Errors
///
/// See the head of this file.
pub fn join_channels(parts: &[Tensor]) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("join: there is nothing to join") };
    for part in parts {
        check("join", part)?;
        let mut expected = first.dims().to_vec();
        expected[1] = part.dims().get(1).copied().unwrap_or(0);
        check_shape("join", "a part", part, &expected)?;
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
    let sources =
        guards.iter().map(|(storage, l)| floats(storage, l)).collect::<Result<Vec<_>>>()?;
    let mut dims = parts[0].dims().to_vec();
    dims[last] = row;
    // SAFETY: the loop below writes the `row` elements of each of the `rows` rows.
    let mut joined = unsafe { unwritten::<f32>(rows * row)? };
    let rows_each = LEAST.div_ceil(row);
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

/// The given channels of `x`, a copy.
///
/// # Errors
///
/// See the head of this file.
pub fn take_channels(x: &Tensor, channels: Range<usize>) -> Result<Tensor> {
    check("take", x)?;
    let all = x.dim(1)?;
    if channels.is_empty() || channels.end > all {
        bail!("take: channels {channels:?} of a tensor of {all}")
    }
    let (x, rows) = (in_memory_order(x)?, x.elem_count() / all); // (…, C)
    let last = x.rank() - 1;
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return in_logical_order(&super::peer::take_columns(&x, channels)?);
    }
    let width = channels.len();
    let mut dims = x.dims().to_vec();
    dims[last] = width;
    // SAFETY: the loop below writes the `width` elements of each of the `rows` rows.
    let mut taken = unsafe { unwritten::<f32>(rows * width)? };
    {
        let (storage, l) = x.storage_and_layout();
        let x = floats(&storage, l)?;
        let rows_each = LEAST.div_ceil(width);
        taken.par_chunks_mut(rows_each * width).enumerate().for_each(|(chunk, taken)| {
            for (number, taken) in (chunk * rows_each..).zip(taken.chunks_exact_mut(width)) {
                taken.copy_from_slice(&x[number * all..][channels.clone()]);
            }
        });
    }
    in_logical_order(&Tensor::from_vec(taken, dims, &Device::Cpu)?)
}

/// `sum + x`, in the memory of `sum` where that is the processor's: its other views change too.
///
/// # Errors
///
/// Shapes, dtypes or devices that differ.
pub fn add(sum: Tensor, x: &Tensor) -> Result<Tensor> {
    check_values("add", "the sum", &sum)?;
    check_shape("add", "a term", x, sum.dims())?;
    let (sum, x) = (in_memory_order(&sum)?, in_memory_order(x)?);
    if !sum.device().is_cpu() {
        return in_logical_order(&(sum + x)?);
    }
    sum.inplace_op2(&x, &Add)?;
    in_logical_order(&sum)
}

struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        l: &Layout,
        x: &CpuStorage,
        x_l: &Layout,
    ) -> Result<()> {
        let x = values::<f32>("add", x, x_l)?;
        let (CpuStorage::F32(sum), Some((start, end))) = (sum, l.contiguous_offsets()) else {
            return Err(candle_core::Error::RequiresContiguous { op: "add" }.bt());
        };
        sum[start..end].par_chunks_mut(LEAST).zip(x.par_chunks(LEAST)).for_each(|(sum, x)| {
            vectorized(
                #[inline(always)]
                || sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x),
            );
        });
        Ok(())
    }
}

fn check(op: &str, x: &Tensor) -> Result<()> {
    check_values(op, "a tensor", x)?;
    if !matches!(x.rank(), 2 | 4) {
        bail!("{op}: expected (B, C, H, W) or (B, C), got shape {:?}", x.dims())
    }
    Ok(())
}

fn floats<'a>(storage: &'a Storage, l: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => values::<f32>("channels", storage, l),
        _ => bail!("channels: tensors of different devices"),
    }
}
