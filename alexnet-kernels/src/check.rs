//! Checks of the tensors that a caller gives. Messages say what was expected and what came.

use candle_core::{DType, Device, Result, Tensor, bail};

/// Whether activations may be stored as `dtype` on a device: as f32, on a GPU also as bf16.
pub(crate) fn is_stored(dtype: DType, device: &Device) -> bool {
    dtype == DType::F32 || dtype == DType::BF16 && device.is_cuda()
}

/// Refuses tensors that are not f32 (on a GPU also bf16) or have no elements.
pub(crate) fn check_values(op: &str, what: &str, x: &Tensor) -> Result<()> {
    if !is_stored(x.dtype(), x.device()) {
        bail!("{op}: {what} must be f32, got {:?}", x.dtype())
    }
    if x.elem_count() == 0 {
        bail!("{op}: {what} is empty, its shape is {:?}", x.dims())
    }
    Ok(())
}

/// The `N` dimensions of a tensor that [`check_values`] accepts.
pub(crate) fn dims<const N: usize>(op: &str, what: &str, x: &Tensor) -> Result<[usize; N]> {
    check_values(op, what, x)?;
    match <[usize; N]>::try_from(x.dims()) {
        Ok(dims) => Ok(dims),
        Err(_) => bail!("{op}: {what} must have {N} dimensions, got shape {:?}", x.dims()),
    }
}

/// Refuses a tensor of another shape than `expected`, and what [`check_values`] refuses.
pub(crate) fn check_shape(op: &str, what: &str, x: &Tensor, expected: &[usize]) -> Result<()> {
    check_values(op, what, x)?;
    if x.dims() != expected {
        bail!("{op}: {what} must have shape {expected:?}, got {:?}", x.dims())
    }
    Ok(())
}

/// Refuses a tensor that is not `(B, C, H, W)` or `(B, C)`, and what [`check_values`] refuses.
pub(crate) fn check_channels(op: &str, x: &Tensor) -> Result<()> {
    check_values(op, "a tensor", x)?;
    if !matches!(x.rank(), 2 | 4) {
        bail!("{op}: expected (B, C, H, W) or (B, C), got shape {:?}", x.dims())
    }
    Ok(())
}
