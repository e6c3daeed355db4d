//! The backward pass of a convolution.

use candle_core::{Result, Tensor};

use super::geometry::Geometry;
use super::input_grad::InputGradient;
use super::weight_grad::WeightGrad;
use crate::op::Apply;
use crate::ops::fusion::{InputGrad, LayerGrads};

/// The gradients, given `x` (B, H, W, C), `w` (O, kH, kW, C/groups) and `dy` (B, H', W', O), in the
/// layout of `x` and `w`.
pub(super) fn backward(
    geometry: Geometry,
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
    input: InputGrad,
) -> Result<LayerGrads> {
    let (weight, bias) = WeightGrad(geometry).run_two([x, dy])?;
    let input = match input {
        InputGrad::Skip => None,
        _ => {
            let op = InputGradient { geometry, through_relu: input.through_relu() };
            Some(op.run_one([dy, w, x])?)
        }
    };
    Ok(LayerGrads { input, weight, bias })
}
