//! A pass through a network: forward for anyone, and the backward walk for training.

use alexnet_kernels::{DropoutKey, DropoutMode, InputGradient, Linear, Relu, recycle};
use candle_core::{Module, Result, Tensor, bail};

use crate::stage::Needs;
use crate::{Network, Op, Shape, Stage};

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

/// What a forward pass leaves for the backward walk, and the logits.
#[derive(Debug)]
pub struct Tape {
    /// The activations before, between and behind the stages, where a stage needs them.
    between: Vec<Option<Tensor>>,
    /// The argmax of each stage that pools.
    argmax: Vec<Option<Tensor>>,
    logits: Tensor,
    mode: Mode,
}

impl Tape {
    /// What the last layer gave: `(B, classes)`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }
}

/// What the forward pass of one stage gives.
#[derive(Debug)]
pub struct StageOutput {
    /// The activations behind it.
    pub output: Tensor,
    /// Where the maxima were, of a stage that pools.
    pub argmax: Option<Tensor>,
}

/// What the backward pass of one stage reads; [`Tape`] keeps no more than is needed of it.
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
    /// Images `(B, C, H, W)` to logits `(B, classes)`. With parameters that are candle variables the
    /// result can be differentiated by candle.
    ///
    /// # Errors
    ///
    /// Images of another shape than the network's input; whatever an operation refuses.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.check_images(images)?;
        let mut x = images.clone();
        for (number, stage) in self.stages().iter().enumerate() {
            let y = self.apply(*stage, &x, mode)?;
            // Candle's graph of operations, where there is one, holds on to `x`.
            if number > 0 && !y.track_op() {
                recycle(x);
            }
            x = y;
        }
        Ok(x)
    }

    /// The same as [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_tape(&self, images: &Tensor, mode: Mode) -> Result<Tape> {
        self.check_images(images)?;
        let (mut between, mut argmax) = (Vec::new(), Vec::new());
        let (mut x, mut before) = (images.clone(), Needs::Nothing);
        for (number, &stage) in self.stages().iter().enumerate() {
            let pass = self.forward_stage(stage, &x, mode)?;
            let needs = stage.needs(self.op(stage.layer)?);
            let used = before == Needs::Output || needs == Needs::Input;
            let x = std::mem::replace(&mut x, pass.output);
            if used || number == 0 {
                between.push(used.then_some(x));
            } else {
                recycle(x);
                between.push(None);
            }
            argmax.push(pass.argmax);
            before = needs;
        }
        between.push((before == Needs::Output).then(|| x.clone()));
        Ok(Tape { between, argmax, logits: x, mode })
    }

    fn check_images(&self, images: &Tensor) -> Result<()> {
        let (_, c, h, w) = images.dims4()?;
        let (input, name) = (self.spec().input, &self.spec().name);
        if [c, h, w] != input {
            bail!("images are {:?}, but network `{name}` takes {input:?}", [c, h, w])
        }
        Ok(())
    }

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
    fn apply(&self, Stage { layer, relu, .. }: Stage, x: &Tensor, mode: Mode) -> Result<Tensor> {
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
            Op::Dropout(dropout) => dropout.forward(x, dropout_mode(mode, layer)),
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
            Op::Dropout(dropout) => dropout.backward(dy, dropout_mode(mode, layer))?,
        };
        Ok(StageGradients { input: Some(dx), parameters: None })
    }

    /// Walks the layers backwards from `gradient`, the loss by the logits `(B, classes)`, and hands each
    /// parameter's gradient to `update` as soon as nothing needs the parameter's old values any more:
    /// its index in [`parameters`](Self::parameters), and a gradient laid out in memory as it is.
    /// Activations are dropped on the way. The images' own gradient is not worked out.
    ///
    /// Under a [`KeepMemory`](alexnet_kernels::KeepMemory) a gradient is used again once `update` has returned:
    /// what is to stay must be copied, a clone shares the memory.
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
        let Tape { mut between, mut argmax, mode, .. } = tape;
        let stages = self.stages();
        if argmax.len() != stages.len() || between.len() != stages.len() + 1 {
            bail!("the tape is not of this network")
        }
        let (mut dy, mut own) = (gradient, false); // whether `dy` was made here
        for (number, &stage) in stages.iter().enumerate().rev() {
            let (output, argmax) = (between.pop().flatten(), argmax.pop().flatten());
            let input = between.last().and_then(Option::as_ref);
            let saved = Saved { input, output: output.as_ref(), argmax: argmax.as_ref() };
            let gradients = self.backward_stage(stage, saved, &dy, mode)?;
            let done = match gradients.input {
                Some(dx) => std::mem::replace(&mut dy, dx),
                None => dy.clone(), // the first stage: nothing reads it any more
            };
            let first = self.first_parameter(stage.layer);
            if let (Some([weight, bias]), Some(first)) = (gradients.parameters, first) {
                update(first, &weight)?;
                update(first + 1, &bias)?;
                recycle(weight); // the bias lies behind it
            }
            let last = number + 1 == stages.len();
            let output = output.filter(|_| !last); // the logits may be someone else's
            output.into_iter().chain(argmax).chain(own.then_some(done)).for_each(recycle);
            own = true;
        }
        Ok(())
    }

    fn op(&self, layer: usize) -> Result<Op> {
        match self.layers().iter().nth(layer) {
            Some(layer) => Ok(layer.op),
            None => bail!("network `{}` has no layer {layer}", self.spec().name),
        }
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

impl Module for Network {
    /// Evaluation: images `(B, C, H, W)` to logits `(B, classes)`.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Self::forward(self, images, Mode::Test)
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
