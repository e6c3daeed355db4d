//! The dense layer: three products, the bias and the ReLU.

use candle_core::{CudaStorage, Layout, Result};

use super::blas::{Product, Tail, multiply};
use super::card::Card;
use super::conv::same;
use crate::launch::{self, Storage};

/// The sizes of a dense layer over a batch.
#[derive(Debug, Clone, Copy)]
struct Size {
    batch: usize,
    inputs: usize,
    outputs: usize,
}

/// `x` (B, I) and `w` (O, I), both f32 or both bf16, and `bias` (O) f32 to `y` (B, O); with `relu` through a ReLU.
pub(crate) fn linear_forward(
    (x, x_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    (bias, bias_l): (&CudaStorage, &Layout),
    relu: bool,
) -> Result<CudaStorage> {
    let ((batch, inputs), (outputs, _)) = (x_l.shape().dims2()?, w_l.shape().dims2()?);
    let size = Size { batch, inputs, outputs };
    let card = Card::of(x);
    let (x, w) = (card.read("linear", x, x_l)?, card.read("linear", w, w_l)?);
    let (bias, _until) = card.read_as::<f32>("linear", bias, bias_l)?;
    let storage = same("the weight", x.storage, w.storage)?;
    // cuBLASLt wants a bias stored as the result is; a bf16 result gets its f32 bias by a kernel of ours, unrounded.
    let tail = match (storage, relu) {
        (Storage::Bf16, _) => Tail::Nothing,
        (Storage::F32, false) => Tail::Bias,
        (Storage::F32, true) => Tail::BiasRelu,
    };
    let product = Product {
        m: size.outputs,
        n: size.batch,
        k: size.inputs,
        transposed: [true, false],
        storage,
        tail,
    };
    let mut y = card.fresh(storage, batch * outputs)?;
    {
        let y = y.writing(&card);
        let fused = (tail != Tail::Nothing).then_some(bias);
        multiply(&card, &product, [w.span, x.span, y.span], fused)?;
        if fused.is_none() {
            card.run(&launch::add_bias(storage, y.span, bias, relu)?)?;
        }
    }
    Ok(y.finish(&card))
}

/// `dy` (B, O) and `w` (O, I) to the gradient by `x` (B, I); with `rectified`, the input itself, 0 where that is not
/// above 0.
pub(crate) fn linear_input_gradient(
    (dy, dy_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    rectified: Option<(&CudaStorage, &Layout)>,
) -> Result<CudaStorage> {
    let ((batch, outputs), (_, inputs)) = (dy_l.shape().dims2()?, w_l.shape().dims2()?);
    let card = Card::of(dy);
    let (dy, w) = (card.read("linear", dy, dy_l)?, card.read("linear", w, w_l)?);
    let storage = same("the weight", dy.storage, w.storage)?;
    let (transposed, tail) = ([false, false], Tail::Nothing);
    let product = Product { m: inputs, n: batch, k: outputs, transposed, storage, tail };
    let mut dx = card.fresh(storage, batch * inputs)?;
    {
        let dx = dx.writing(&card);
        multiply(&card, &product, [w.span, dy.span, dx.span], None)?;
        if let Some((x, x_l)) = rectified {
            let x = card.read("linear", x, x_l)?;
            same("the input", storage, x.storage)?;
            card.run(&launch::relu_backward(storage, [x.span, dx.span, dx.span], 1.0)?)?;
        }
    }
    Ok(dx.finish(&card))
}

/// `x` (B, I) and `dy` (B, O) to the gradient by `w` (O, I), stored as they are.
pub(crate) fn linear_weight_gradient(
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let ((batch, inputs), (_, outputs)) = (x_l.shape().dims2()?, dy_l.shape().dims2()?);
    let card = Card::of(x);
    let (x, dy) = (card.read("linear", x, x_l)?, card.read("linear", dy, dy_l)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (transposed, tail) = ([false, true], Tail::Nothing);
    let product = Product { m: inputs, n: outputs, k: batch, transposed, storage, tail };
    let mut dw = card.fresh(storage, outputs * inputs)?;
    {
        let dw = dw.writing(&card);
        multiply(&card, &product, [x.span, dy.span, dw.span], None)?;
    }
    Ok(dw.finish(&card))
}
