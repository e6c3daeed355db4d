//! The parameters of a network: names, and layouts in memory and on disk.
//!
//! On disk a weight is PyTorch's: `(O, I/groups, kH, kW)` for a convolution, `(O, I)` for a dense
//! layer, where a map that enters a dense layer is flattened in channel, row, column order. PyTorch
//! has no local layer. Its weights are `(O·H'·W', I·kH·kW)` and its bias `(O·H'·W')`: a row for
//! each element of the flattened output, a column for each of the flattened window.
//!
//! In memory channels come last, as in activations: a convolution's weights are logically `(O,
//! I/groups, kH, kW)` over memory `(O, kH, kW, I/groups)`, and what is a flattened map is in row,
//! column, channel order: a dense layer's columns, and a local layer's rows and columns.

use alexnet_kernels::channels_last;
use candle_core::{DType, Device, Result, Tensor, bail};

use crate::spec::shapes::Share;

/// What a parameter is; its learning rate and weight decay depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution, a local layer or a dense layer.
    Weight,
    /// Biases.
    Bias,
}

/// One parameter of a network, or one tower's rows of it.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `LAYER.weight` or `LAYER.bias`.
    pub name: String,
    /// The layer it belongs to.
    pub layer: String,
    /// What it is.
    pub role: Role,
    /// Its values: weights with channels last in memory.
    pub tensor: Tensor,
    /// Its rows among those of the whole network's parameter.
    pub share: Share,
    /// The order of its rows and columns depends on it.
    pub(super) pixels: Pixels,
}

/// Of how many pixels, each with all its channels, the rows of a matrix of weights are the
/// elements, and of how many the columns; 1 where these are no flattened map. A bias has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// The names of a layer's weight and bias.
pub(super) fn names(layer: &str) -> [String; 2] {
    [format!("{layer}.weight"), format!("{layer}.bias")]
}

/// Weights or biases from the layout on disk to the layout in memory.
pub(super) fn to_memory(disk: &Tensor, pixels: Pixels) -> Result<Tensor> {
    let Pixels { rows, columns } = pixels;
    match *disk.dims() {
        [_, _, _, _] => channels_last(disk), // (O, I, kH, kW), memory (O, kH, kW, I)
        [n, m] => {
            let apart = disk.reshape((n / rows, rows, m / columns, columns))?;
            apart.permute((1, 0, 3, 2))?.reshape((n, m))
        }
        [n] => disk.reshape((n / rows, rows))?.t()?.reshape(n),
        _ => disk.contiguous(),
    }
}

impl Parameter {
    /// `values`, laid out in memory as this parameter is, in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// Values of another size; no memory.
    pub fn disk_layout(&self, values: &Tensor) -> Result<Tensor> {
        let Pixels { rows, columns } = self.pixels;
        match *values.dims() {
            [n, m] => {
                let apart = values.reshape((rows, n / rows, columns, m / columns))?;
                apart.permute((1, 0, 3, 2))?.reshape((n, m))
            }
            [n] => values.reshape((rows, n / rows))?.t()?.reshape(n),
            _ => values.contiguous(),
        }
    }

    /// Of `disk`, values for all rows of the whole network's parameter in PyTorch's layout, this
    /// parameter's rows, on its device and laid out in memory as it is.
    ///
    /// # Errors
    ///
    /// Another shape than the whole parameter's; no memory.
    pub fn memory_layout(&self, disk: &Tensor) -> Result<Tensor> {
        let mut dims = self.tensor.dims().to_vec();
        dims[0] = self.share.whole;
        if disk.dims() != dims {
            bail!("values for `{}` have shape {:?}, not {dims:?}", self.name, disk.dims())
        }
        // Only these rows are to go to the device.
        let rows = disk.narrow(0, self.share.first, self.share.count)?.force_contiguous()?;
        to_memory(&rows, self.pixels)?.to_device(self.tensor.device())
    }

    /// Of a whole network's parameter the rows `share` on `device`. Weights, which matmuls read,
    /// are stored as `weights` on a GPU and as f32 on the CPU; biases stay f32.
    pub(super) fn rows(&self, share: Share, device: &Device, weights: DType) -> Result<Tensor> {
        let mut rows = self.tensor.clone();
        if share != self.share {
            // Only these rows are to go to the device, and not all that share their memory.
            let part = rows.narrow(0, share.first, share.count)?;
            rows = in_memory_order(&part, Tensor::force_contiguous)?;
        }
        let rows = rows.to_device(device)?;
        let dtype = match self.role {
            Role::Weight if !device.is_cpu() => weights,
            _ => DType::F32,
        };
        if rows.dtype() == dtype {
            return Ok(rows);
        }
        // In the order of memory: candle's conversion gives back row-major tensors.
        in_memory_order(&rows, |x| x.to_dtype(dtype))
    }
}

/// `f` of a parameter as it lies in memory, and the result laid out as the parameter is.
fn in_memory_order(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match x.rank() {
        4 => f(&x.permute((0, 2, 3, 1))?.contiguous()?)?.permute((0, 3, 1, 2)),
        _ => f(&x.contiguous()?),
    }
}
