//! A pass through a network: forward for anyone, and the backward walk for training.

use alexnet_kernels::{DropoutKey, DropoutMode, Linear, Relu};
use candle_core::{Module, Result, Tensor, bail};

use crate::{Network, Op};

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

/// The activations of a forward pass that the backward walk needs: the input of each layer, and the logits.
#[derive(Debug)]
pub struct Tape {
    activations: Vec<Tensor>,
    mode: Mode,
}

impl Tape {
    /// The input of each layer, first to last, and then the logits.
    pub fn activations(&self) -> &[Tensor] {
        &self.activations
    }

    /// What the last layer gave: `(B, classes)`.
    pub fn logits(&self) -> &Tensor {
        &self.activations[self.activations.len() - 1]
    }
}

/// What the backward pass of one layer gives.
#[derive(Debug)]
pub struct LayerGradients {
    /// By the layer's input; `None` for the first layer, whose input is the images.
    pub input: Option<Tensor>,
    /// By its weights and its bias, laid out in memory as they are.
    pub parameters: Option<[Tensor; 2]>,
}

impl Network {
    /// Images `(B, C, H, W)` to logits `(B, classes)`. With parameters that are candle variables the
    /// result can be differentiated by candle.
    ///
    /// # Errors
    ///
    /// Images of another shape than the network's input; whatever an operation refuses.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.run(images, mode, |_| ())
    }

    /// The same as [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_tape(&self, images: &Tensor, mode: Mode) -> Result<Tape> {
        let mut activations = Vec::with_capacity(self.spec().layers.len() + 1);
        let logits = self.run(images, mode, |x| activations.push(x.clone()))?;
        activations.push(logits);
        Ok(Tape { activations, mode })
    }

    fn run(&self, images: &Tensor, mode: Mode, mut keep: impl FnMut(&Tensor)) -> Result<Tensor> {
        let (_, c, h, w) = images.dims4()?;
        let (input, name) = (self.spec().input, &self.spec().name);
        if [c, h, w] != input {
            bail!("images are {:?}, but network `{name}` takes {input:?}", [c, h, w])
        }
        let mut x = images.clone();
        for layer in 0..self.spec().layers.len() {
            keep(&x);
            x = self.forward_layer(layer, &x, mode)?;
        }
        Ok(x)
    }

    /// The output of layer number `layer` for its input `x`, one batch.
    ///
    /// # Errors
    ///
    /// No such layer; whatever its operation refuses.
    pub fn forward_layer(&self, layer: usize, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match self.op(layer)? {
            Op::Conv(conv) => {
                let [w, b] = self.weight_and_bias(layer)?;
                conv.forward(x, w, b) // (B, O, H', W')
            }
            Op::Linear => {
                let [w, b] = self.weight_and_bias(layer)?;
                Linear.forward(&flat(x)?, w, b) // (B, O)
            }
            Op::Relu => Relu.forward(x),
            Op::Lrn(lrn) => lrn.forward(x),
            Op::MapNorm(norm) => norm.forward(x),
            Op::MaxPool(pool) => pool.forward(x), // (B, C, H', W')
            Op::Dropout(dropout) => dropout.forward(x, dropout_mode(mode, layer)),
        }
    }

    /// The gradients of layer number `layer`, given its input `x`, its output `y` and the gradient by `y`.
    ///
    /// # Errors
    ///
    /// No such layer; whatever its operation refuses.
    pub fn backward_layer(
        &self,
        layer: usize,
        [x, y]: [&Tensor; 2],
        dy: &Tensor,
        mode: Mode,
    ) -> Result<LayerGradients> {
        let input_gradient = layer > 0;
        let input = match self.op(layer)? {
            Op::Conv(conv) => {
                let [w, _] = self.weight_and_bias(layer)?;
                let g = conv.backward(x, w, dy, input_gradient)?;
                return Ok(LayerGradients { input: g.input, parameters: Some([g.weight, g.bias]) });
            }
            Op::Linear => {
                let [w, _] = self.weight_and_bias(layer)?;
                let g = Linear.backward(&flat(x)?, w, dy, input_gradient)?;
                let input = g.input.map(|dx| unflat(&dx, x)).transpose()?;
                return Ok(LayerGradients { input, parameters: Some([g.weight, g.bias]) });
            }
            Op::Relu => Relu.backward(y, dy)?,
            Op::Lrn(lrn) => lrn.backward(x, dy)?,
            Op::MapNorm(norm) => norm.backward(x, dy)?,
            Op::MaxPool(pool) => pool.backward(x, dy)?,
            Op::Dropout(dropout) => dropout.backward(dy, dropout_mode(mode, layer))?,
        };
        Ok(LayerGradients { input: Some(input), parameters: None })
    }

    /// Walks the layers backwards from `gradient`, the loss by the logits `(B, classes)`, and hands each
    /// parameter's gradient to `update` as soon as nothing needs the parameter's old values any more:
    /// its index in [`parameters`](Self::parameters), and a gradient laid out in memory as it is.
    /// Activations are dropped on the way. The images' own gradient is not worked out.
    ///
    /// # Errors
    ///
    /// Whatever an operation or `update` refuses.
    pub fn backward(
        &self,
        tape: Tape,
        gradient: Tensor,
        update: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let Tape { mut activations, mode } = tape;
        let mut dy = gradient;
        for layer in (0..self.spec().layers.len()).rev() {
            let (Some(y), Some(x)) = (activations.pop(), activations.last()) else {
                bail!("the tape is not of this network")
            };
            let LayerGradients { input, parameters } =
                self.backward_layer(layer, [x, &y], &dy, mode)?;
            if let (Some([weight, bias]), Some(first)) = (parameters, self.first_parameter(layer)) {
                update(first, &weight)?;
                update(first + 1, &bias)?;
            }
            match input {
                Some(dx) => dy = dx,
                None => break,
            }
        }
        Ok(())
    }

    fn op(&self, layer: usize) -> Result<Op> {
        match self.layers().iter().nth(layer) {
            Some(layer) => Ok(layer.op),
            None => bail!("network `{}` has no layer {layer}", self.spec().name),
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

impl Module for Network {
    /// Evaluation: images `(B, C, H, W)` to logits `(B, classes)`.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Self::forward(self, images, Mode::Test)
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
