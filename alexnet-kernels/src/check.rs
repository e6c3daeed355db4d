//! Checks of what a caller gives, with messages that say what was expected and what was given.

use candle_core::{DType, Device, Result, Tensor, bail};

/// Whether activations may be stored so on a device: f32, and on a GPU bf16.
pub(crate) fn is_stored(dtype: DType, device: &Device) -> bool {
    dtype == DType::F32 || dtype == DType::BF16 && device.is_cuda()
}

/// Refuses tensors that are not f32 (on a GPU bf16 will do) or have no elements.
pub(crate) fn check_values(op: &str, what: &str, x: &Tensor) -> Result<()> {
    if !is_stored(x.dtype(), x.device()) {
        bail!("{op}: {what} must be f32, got {:?}", x.dtype())
    }
    if x.elem_count() == 0 {
        bail!("{op}: {what} is empty, its shape is {:?}", x.dims())
    }
    Ok(())
}

/// The four dimensions of an f32 tensor with elements.
pub(crate) fn dims4(op: &str, what: &str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    check_values(op, what, x)?;
    let &[a, b, c, d] = x.dims() else {
        bail!("{op}: {what} must have 4 dimensions, got shape {:?}", x.dims())
    };
    Ok((a, b, c, d))
}

/// The two dimensions of an f32 tensor with elements.
pub(crate) fn dims2(op: &str, what: &str, x: &Tensor) -> Result<(usize, usize)> {
    check_values(op, what, x)?;
    let &[a, b] = x.dims() else {
        bail!("{op}: {what} must have 2 dimensions, got shape {:?}", x.dims())
    };
    Ok((a, b))
}

/// Refuses an f32 tensor of another shape than `expected`.
pub(crate) fn check_shape(op: &str, what: &str, x: &Tensor, expected: &[usize]) -> Result<()> {
    check_values(op, what, x)?;
    if x.dims() != expected {
        bail!("{op}: {what} must have shape {expected:?}, got {:?}", x.dims())
    }
    Ok(())
}
