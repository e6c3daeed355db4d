//! A layer's forward and backward pass: every call of an operation is in this file.

use alexnet_kernels::{
    Activation, AvgPool2d, Conv2d, Dropout, DropoutKey, DropoutMode, DropoutScale, DropoutSlice,
    Epilogue, InputGrad, Linear, Local2d, Local2dConfig, LrnPool, MapNorm, Rest, SpaceToDepth,
    Towers,
};
use candle_core::{Module, Result, Tensor, bail};

use super::fused_layer::{FusedLayer, LeftRest, Mode};
use super::parameter::Parameter;
use crate::spec::shapes::{Shape, conv2d_config};
use crate::spec::{LayerKind, Scale};

/// What the backward pass of one layer computes.
#[derive(Debug)]
pub struct LayerGradients {
    /// With respect to the input; `None` for the first layer, whose input is the images.
    pub input: Option<Tensor>,
    /// With respect to parameters, laid out in memory as they are, each with its place among the
    /// tower's.
    pub parameters: Vec<(usize, Tensor)>,
}

impl FusedLayer {
    /// The output for the input `x`, one batch, by operations that candle can differentiate.
    pub(super) fn forward(
        &self,
        parameters: &[Parameter],
        x: &Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let epilogue = self.epilogue();
        match (self.lrn(), self.max_pool()) {
            (Some(lrn), Some(pool)) => return LrnPool { lrn, pool }.forward_fused(x, epilogue),
            (Some(lrn), None) => return lrn.forward(x), // (B, C, H, W)
            (None, Some(pool)) => return pool.forward_fused(x, epilogue), // (B, C, H', W')
            (None, None) => {}
        }
        match self.kind {
            LayerKind::Conv { .. } => {
                self.conv2d(parameters)?.forward_fused(x, epilogue) // (B, O, H', W')
            }
            LayerKind::Local { .. } => {
                self.local2d(parameters)?.forward_fused(x, epilogue) // (B, O, H', W')
            }
            LayerKind::Linear { .. } => {
                self.linear(parameters)?.forward_fused(&flatten(x)?, epilogue) // (B, O)
            }
            LayerKind::AvgPool { kernel, stride, ceil } => {
                AvgPool2d::new(kernel, stride).ceil(ceil).forward(x) // (B, C, H', W')
            }
            LayerKind::MapNorm { n, alpha, beta, k } => MapNorm { n, alpha, beta, k }.forward(x),
            LayerKind::Dropout { keep, scale } => {
                self.dropout(keep, scale).forward(x, self.dropout_mode(mode))
            }
            _ => self.activation()?.forward(x),
        }
    }

    /// The output for the input `x`, one batch, and the tensors that [`backward`](Self::backward)
    /// needs. `parameters` are those of the layer's tower.
    ///
    /// # Errors
    ///
    /// `parameters` of another tower; whatever the operation refuses.
    pub fn forward_tape(
        &self,
        parameters: &[Parameter],
        x: &Tensor,
        mode: Mode,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let epilogue = self.epilogue();
        match (self.lrn(), self.max_pool()) {
            (Some(lrn), Some(pool)) => {
                let op = LrnPool { lrn, pool };
                let pooled = match self.rest(parameters)? {
                    Some(rest) => op.forward_after(x, &rest, epilogue)?,
                    None => op.forward_with_argmax(x, epilogue)?,
                };
                Ok((pooled.output, vec![x.clone(), pooled.argmax])) // pooled are (B, C, H', W')
            }
            (None, Some(pool)) => {
                let pooled = pool.forward_with_argmax(x, epilogue, self.input_grad)?;
                Ok((pooled.output, vec![pooled.argmax])) // both (B, C, H', W')
            }
            (None, None) if self.left_rest.is_some() => {
                let (y, kept) = self.conv2d(parameters)?.forward_without_rest(x)?;
                Ok((y, vec![kept])) // as below
            }
            (_, None) if self.keeps_input() => {
                let (y, kept) = self.conv2d(parameters)?.forward_keeping(x, epilogue)?;
                Ok((y, vec![kept])) // (B, O, H', W'), and the images, perhaps in blocks
            }
            (_, None) => {
                let y = self.forward(parameters, x, mode)?;
                let saved = if self.saves().input() { x } else { &y }.clone();
                Ok((y, vec![saved]))
            }
        }
    }

    /// The gradients, given the tensors that [`forward_tape`](Self::forward_tape) saved and `dy`,
    /// the gradient with respect to the output. Where a ReLU is fused into this layer, and it does
    /// no pooling, `dy` must be 0 wherever the output is: the next layer sees to it, and so does
    /// this one for the previous.
    ///
    /// # Errors
    ///
    /// `parameters` or `saved` of another layer; whatever the operation refuses.
    pub fn backward(
        &self,
        parameters: &[Parameter],
        saved: &[Tensor],
        dy: &Tensor,
        mode: Mode,
    ) -> Result<LayerGradients> {
        let [saved, argmax] = match saved {
            [one] => [one; 2],
            [x, argmax] => [x, argmax],
            _ => bail!("layer `{}` has saved nothing: the tape is another network's", self.name),
        };
        let dx = match (self.lrn(), self.max_pool(), self.input) {
            (Some(lrn), Some(pool), _) => {
                let op = LrnPool { lrn, pool };
                if let (Some(rest), Some(left)) = (self.rest(parameters)?, self.left_rest) {
                    let [dx, db] = op.backward_after(saved, &rest, argmax, dy, self.input_grad)?;
                    return Ok(LayerGradients {
                        input: Some(dx),
                        parameters: vec![(left.bias, db)],
                    });
                }
                op.backward(saved, argmax, dy, self.input_grad)?
            }
            (Some(lrn), None, _) => lrn.backward(saved, dy, self.input_grad)?,
            (None, Some(pool), Shape::Map(_, h, w)) => Some(pool.backward(argmax, dy, (h, w))?),
            _ => return self.backward_of_others(parameters, saved, dy, mode),
        };
        Ok(LayerGradients { input: dx, parameters: Vec::new() })
    }

    /// [`backward`](Self::backward) of a layer that neither normalizes channels nor pools maxima.
    fn backward_of_others(
        &self,
        parameters: &[Parameter],
        saved: &Tensor,
        dy: &Tensor,
        mode: Mode,
    ) -> Result<LayerGradients> {
        let dx = match self.kind {
            LayerKind::Conv { .. } => {
                let conv = self.conv2d(parameters)?;
                if self.left_rest.is_some() {
                    let (input, weight) = conv.backward_without_rest(saved, dy, self.input_grad)?;
                    let parameters = self.first_parameter.map(|first| (first, weight));
                    return Ok(LayerGradients {
                        input,
                        parameters: parameters.into_iter().collect(),
                    });
                }
                let g = conv.backward(saved, dy, self.input_grad)?;
                return Ok(self.with_weights(g.input, [g.weight, g.bias]));
            }
            LayerKind::Local { .. } => {
                let g = self.local2d(parameters)?.backward(saved, dy, self.input_grad)?;
                return Ok(self.with_weights(g.input, [g.weight, g.bias]));
            }
            LayerKind::Linear { .. } => {
                let (linear, x) = (self.linear(parameters)?, saved);
                let g = linear.backward(&flatten(x)?, dy, self.input_grad)?;
                let input = g.input.map(|dx| unflatten(&dx, x)).transpose()?;
                return Ok(self.with_weights(input, [g.weight, g.bias]));
            }
            LayerKind::MapNorm { n, alpha, beta, k } => {
                MapNorm { n, alpha, beta, k }.backward(saved, dy, self.input_grad)?
            }
            LayerKind::AvgPool { kernel, stride, ceil } => {
                let pool = AvgPool2d::new(kernel, stride).ceil(ceil);
                pool.backward(saved, dy, self.input_grad)?
            }
            LayerKind::Dropout { keep, scale } => {
                let (dropout, mode) = (self.dropout(keep, scale), self.dropout_mode(mode));
                dropout.backward(saved, dy, mode, self.input_grad)?
            }
            _ => Some(self.activation()?.backward(saved, dy)?),
        };
        Ok(LayerGradients { input: dx, parameters: Vec::new() })
    }

    /// The blocks of pixels in which a GPU convolves images of a height and a width, if this layer
    /// is a convolution that does so.
    pub(super) fn image_blocks(
        &self,
        parameters: &[Parameter],
        size: (usize, usize),
    ) -> Result<Option<SpaceToDepth>> {
        match self.kind {
            LayerKind::Conv { .. } => self.conv2d(parameters)?.blocks_on_gpu(size),
            _ => Ok(None),
        }
    }

    fn with_weights(&self, input: Option<Tensor>, gradients: [Tensor; 2]) -> LayerGradients {
        let first = self.first_parameter.unwrap_or_default();
        let parameters = gradients.into_iter().enumerate();
        let parameters = parameters.map(|(offset, gradient)| (first + offset, gradient)).collect();
        LayerGradients { input, parameters }
    }

    /// The rest of the convolution before it, if that has left one.
    fn rest(&self, parameters: &[Parameter]) -> Result<Option<Rest>> {
        let Some(LeftRest { bias, relu }) = self.left_rest else { return Ok(None) };
        match parameters.get(bias) {
            Some(bias) => Ok(Some(Rest { bias: bias.tensor.clone(), relu })),
            None => bail!("layer `{}`: there is no parameter {bias}", self.name),
        }
    }

    /// Whether it is a convolution that may keep its input in another form, or moves its output.
    fn keeps_input(&self) -> bool {
        let is_moved = self.towers.output_apart && !self.towers.input_apart;
        let skips = self.input_grad == InputGrad::Skip;
        matches!(self.kind, LayerKind::Conv { .. }) && (skips || is_moved)
    }

    fn epilogue(&self) -> Epilogue {
        if self.relu.is_some() { Epilogue::Relu } else { Epilogue::None }
    }

    fn activation(&self) -> Result<Activation> {
        match self.kind.activation() {
            Some(activation) => Ok(activation),
            None => bail!("layer `{}` is no activation", self.name),
        }
    }

    fn conv2d(&self, parameters: &[Parameter]) -> Result<Conv2d> {
        let LayerKind::Conv { stride, pad, groups, .. } = self.kind else {
            bail!("layer `{}` is no convolution", self.name)
        };
        let [weight, bias] = self.weights(parameters)?;
        let conv = Conv2d::new(weight.clone(), bias.clone(), conv2d_config(stride, pad, groups))?;
        Ok(match self.towers {
            Towers { input_apart: true, .. } => conv.apart(),
            Towers { output_apart: true, count, .. } => conv.output_apart(count),
            _ => conv,
        })
    }

    fn local2d(&self, parameters: &[Parameter]) -> Result<Local2d> {
        let LayerKind::Local { kernel, stride, pad, .. } = self.kind else {
            bail!("layer `{}` is no local layer", self.name)
        };
        let [weight, bias] = self.weights(parameters)?;
        let config = Local2dConfig { kernel, stride, padding: pad };
        Local2d::new(weight.clone(), bias.clone(), config)
    }

    fn linear(&self, parameters: &[Parameter]) -> Result<Linear> {
        let [weight, bias] = self.weights(parameters)?;
        Linear::new(weight.clone(), bias.clone())
    }

    fn weights<'a>(&self, parameters: &'a [Parameter]) -> Result<[&'a Tensor; 2]> {
        let places = self.first_parameter.map(|first| first..first + 2);
        match places.and_then(|places| parameters.get(places)) {
            Some([weight, bias]) => Ok([&weight.tensor, &bias.tensor]),
            _ => bail!("layer `{}` has no parameters", self.name),
        }
    }

    fn dropout_mode(&self, mode: Mode) -> DropoutMode {
        match mode {
            Mode::Test => DropoutMode::Test,
            Mode::Train { seed, step } => {
                DropoutMode::Train(DropoutKey { seed, step, layer: self.index as u32 })
            }
        }
    }

    /// Dropout of its outputs, which are a slice of all towers'.
    fn dropout(&self, keep: f32, scale: Scale) -> Dropout {
        let scale = match scale {
            Scale::AtTest => DropoutScale::AtTest,
            Scale::AtTraining => DropoutScale::AtTraining,
        };
        let each = self.output.elem_count() / self.share.count;
        let (first, whole) = (self.share.first * each, self.share.whole * each);
        Dropout::new(keep).scale(scale).of_slice(DropoutSlice { first, whole })
    }
}

/// `(B, C, H, W)` with channels last in memory to `(B, H·W·C)`, without a copy.
fn flatten(x: &Tensor) -> Result<Tensor> {
    match x.rank() {
        4 => x.permute((0, 2, 3, 1))?.flatten_from(1),
        _ => Ok(x.clone()),
    }
}

/// The opposite of [`flatten`]: `dx` in the shape of `x`.
fn unflatten(dx: &Tensor, x: &Tensor) -> Result<Tensor> {
    match *x.dims() {
        [b, c, h, w] => dx.reshape((b, h, w, c))?.permute((0, 3, 1, 2)),
        _ => Ok(dx.clone()),
    }
}
