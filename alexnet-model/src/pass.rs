//! One stage forward and backward, on one device.

use alexnet_kernels::{DropoutKey, DropoutMode, InputGradient, Linear, Relu};
use candle_core::{Result, Tensor, bail};

use crate::{Layer, Network, Op, Shape, Stage};

/// Whether a pass drops elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Evaluation: nothing is dropped.
    Test,
    /// Training: which elements are dropped is a function of these two and the layer.
    Train {
        /// The run's seed.
        seed: u64,
        /// The update this pass is for.
        step: u64,
    },
}

/// What the forward pass of one stage gives.
#[derive(Debug)]
pub struct StageOutput {
    /// The activations behind it.
    pub output: Tensor,
    /// Where the maxima were, of a stage that pools.
    pub argmax: Option<Tensor>,
}

/// What the backward pass of one stage reads; [`Tape`](crate::Tape) keeps no more than is needed of it.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// The activations before the stage.
    pub input: Option<&'a Tensor>,
    /// The activations behind it.
    pub output: Option<&'a Tensor>,
    /// Where the maxima were.
    pub argmax: Option<&'a Tensor>,
}

/// What the backward pass of one stage gives.
#[derive(Debug)]
pub struct StageGradients {
    /// By the stage's input; `None` for the first one, whose input is the images.
    pub input: Option<Tensor>,
    /// By its weights and its bias, laid out in memory as they are.
    pub parameters: Option<[Tensor; 2]>,
}

impl Network {
    /// The output of `stage` for its input `x`, one batch.
    ///
    /// # Errors
    ///
    /// No such stage; whatever its operation refuses.
    pub fn forward_stage(&self, stage: Stage, x: &Tensor, mode: Mode) -> Result<StageOutput> {
        if let Op::MaxPool(pool) = self.op(stage.layer)? {
            let pooled = pool.forward_argmax(x, stage.relu, stage.input)?;
            return Ok(StageOutput { output: pooled.output, argmax: Some(pooled.argmax) });
        }
        Ok(StageOutput { output: self.apply(stage, x, mode)?, argmax: None })
    }

    /// The output alone, which candle can differentiate.
    pub(crate) fn apply(
        &self,
        Stage { layer, relu, .. }: Stage,
        x: &Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        match self.op(layer)? {
            Op::Conv(conv) => {
                let [w, b] = self.weight_and_bias(layer)?;
                if relu { conv.forward_relu(x, w, b) } else { conv.forward(x, w, b) } // (B, O, H', W')
            }
            Op::Linear => {
                let ([w, b], x) = (self.weight_and_bias(layer)?, flat(x)?);
                if relu { Linear.forward_relu(&x, w, b) } else { Linear.forward(&x, w, b) } // (B, O)
            }
            Op::Relu => Relu.forward(x),
            Op::Lrn(lrn) => lrn.forward(x),
            Op::MapNorm(norm) => norm.forward(x),
            Op::MaxPool(pool) => {
                if relu {
                    pool.forward_relu(x)
                } else {
                    pool.forward(x)
                }
            } // (B, C, H', W')
            Op::Dropout(dropout) => {
                dropout.forward_part(x, dropout_mode(mode, layer), self.layer(layer)?.part())
            }
        }
    }

    /// The gradients of `stage`, given what its forward pass read and gave, and `dy`, the gradient by its
    /// output. Where the stage rectifies its output, `dy` must be 0 wherever the output is: the stage behind
    /// sees to it. So does this one, if the stage before it rectifies.
    ///
    /// # Errors
    ///
    /// No such stage; something that it needs is not in `saved`; whatever its operation refuses.
    pub fn backward_stage(
        &self,
        stage: Stage,
        saved: Saved<'_>,
        dy: &Tensor,
        mode: Mode,
    ) -> Result<StageGradients> {
        let Stage { layer, input, .. } = stage;
        let rectified = input == InputGradient::Rectified;
        let dx = match self.op(layer)? {
            Op::Conv(conv) => {
                let [w, _] = self.weight_and_bias(layer)?;
                let g = conv.backward(there(saved.input)?, w, dy, input)?;
                return Ok(StageGradients { input: g.input, parameters: Some([g.weight, g.bias]) });
            }
            Op::Linear => {
                let ([w, _], x) = (self.weight_and_bias(layer)?, there(saved.input)?);
                let g = Linear.backward(&flat(x)?, w, dy, input)?;
                let input = g.input.map(|dx| unflat(&dx, x)).transpose()?;
                return Ok(StageGradients { input, parameters: Some([g.weight, g.bias]) });
            }
            Op::Relu => Relu.backward(there(saved.output)?, dy)?,
            Op::Lrn(lrn) if rectified => lrn.backward_rectified(there(saved.input)?, dy)?,
            Op::Lrn(lrn) => lrn.backward(there(saved.input)?, dy)?,
            Op::MapNorm(norm) if rectified => norm.backward_rectified(there(saved.input)?, dy)?,
            Op::MapNorm(norm) => norm.backward(there(saved.input)?, dy)?,
            Op::MaxPool(pool) => {
                pool.backward_argmax(there(saved.argmax)?, dy, self.map(layer)?)?
            }
            Op::Dropout(dropout) if rectified => {
                dropout.backward_rectified(there(saved.output)?, dy, dropout_mode(mode, layer))?
            }
            Op::Dropout(dropout) => {
                dropout.backward_part(dy, dropout_mode(mode, layer), self.layer(layer)?.part())?
            }
        };
        Ok(StageGradients { input: Some(dx), parameters: None })
    }

    fn layer(&self, layer: usize) -> Result<&Layer> {
        match self.layers().iter().nth(layer) {
            Some(layer) => Ok(layer),
            None => bail!("network `{}` has no layer {layer}", self.spec().name),
        }
    }

    pub(crate) fn op(&self, layer: usize) -> Result<Op> {
        Ok(self.layer(layer)?.op)
    }

    /// Height and width of the maps before a layer.
    fn map(&self, layer: usize) -> Result<(usize, usize)> {
        match self.layers().iter().nth(layer).map(|layer| layer.input) {
            Some(Shape::Map(_, h, w)) => Ok((h, w)),
            _ => bail!("layer {layer} has no map before it"),
        }
    }

    fn weight_and_bias(&self, layer: usize) -> Result<[&Tensor; 2]> {
        let first = self.first_parameter(layer);
        match first.and_then(|first| self.parameters().get(first..first + 2)) {
            Some([weight, bias]) => Ok([&weight.tensor, &bias.tensor]),
            _ => bail!("layer {layer} has no parameters"),
        }
    }
}

fn there(saved: Option<&Tensor>) -> Result<&Tensor> {
    match saved {
        Some(x) => Ok(x),
        None => bail!("the tape is not of this network"),
    }
}

/// `(B, C, H, W)` with channels last in memory to `(B, H·W·C)`, without a copy.
fn flat(x: &Tensor) -> Result<Tensor> {
    match x.rank() {
        4 => x.permute((0, 2, 3, 1))?.flatten_from(1),
        _ => Ok(x.clone()),
    }
}

/// The opposite of [`flat`]: `dx` in the shape of `x`.
fn unflat(dx: &Tensor, x: &Tensor) -> Result<Tensor> {
    match *x.dims() {
        [b, c, h, w] => dx.reshape((b, h, w, c))?.permute((0, 3, 1, 2)),
        _ => Ok(dx.clone()),
    }
}

fn dropout_mode(mode: Mode, layer: usize) -> DropoutMode {
    match mode {
        Mode::Test => DropoutMode::Test,
        Mode::Train { seed, step } => {
            DropoutMode::Train(DropoutKey { seed, step, layer: layer as u32 })
        }
    }
}
