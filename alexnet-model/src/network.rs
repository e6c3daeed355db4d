//! A network with its parameters on a device: forward for anyone, and the backward walk for training.

use std::collections::HashMap;

use alexnet_kernels::{DropoutKey, DropoutMode, Linear, Relu};
use candle_core::{Device, Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::parameters::{bias_name, initial, to_disk, to_memory, weight_name};
use crate::{Layer, Layers, NetworkSpec, Op};

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

/// What a parameter is; rate and decay hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or a dense layer.
    Weight,
    /// Biases.
    Bias,
}

/// One parameter of a network.
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
}

/// A network with its parameters on a device.
#[derive(Debug, Clone)]
pub struct Network {
    spec: NetworkSpec,
    layers: Layers,
    /// Weight, bias, weight, bias, … in the order of the layers that have them.
    parameters: Vec<Parameter>,
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

impl Network {
    /// A network with first values drawn from `seed`: the same for the same seed on every machine.
    ///
    /// # Errors
    ///
    /// A description that is no network; no memory on the device.
    pub fn new(spec: &NetworkSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::build(spec, |layer, shape| initial(layer, shape, seed, device))
    }

    /// A network with the parameters in `tensors`, which are PyTorch's in names and layout
    /// ([`candle_core::safetensors::load`] gives such a map).
    ///
    /// # Errors
    ///
    /// A missing tensor, or one whose shape is not the network's, by name.
    pub fn from_tensors(spec: &NetworkSpec, tensors: &HashMap<String, Tensor>) -> Result<Self> {
        let find = |name: String, shape: &[usize]| match tensors.get(&name) {
            None => {
                bail!("the weights have no tensor `{name}`, which network `{}` needs", spec.name)
            }
            Some(t) if t.dims() != shape => bail!(
                "tensor `{name}` has shape {:?}, but network `{}` needs {shape:?}",
                t.dims(),
                spec.name
            ),
            Some(t) => t.to_dtype(candle_core::DType::F32),
        };
        Self::build(spec, |layer, shape| {
            Ok([find(weight_name(layer), shape)?, find(bias_name(layer), &shape[..1])?])
        })
    }

    /// A network whose parameters `builder` gives, as candle's own models are made: from a file, from zeros, or,
    /// over a `VarMap`, as variables that candle's optimizers train. Names and layout are PyTorch's. Weights are
    /// turned to channels-last here, so make the network anew after each step of such an optimizer.
    ///
    /// # Errors
    ///
    /// What `builder` refuses: a missing tensor or one of another shape.
    pub fn from_var_builder(spec: &NetworkSpec, builder: &VarBuilder<'_>) -> Result<Self> {
        Self::build(spec, |layer, shape| {
            let weight = builder.get(shape, &weight_name(layer))?;
            Ok([weight, builder.get(shape[0], &bias_name(layer))?])
        })
    }

    fn build(
        spec: &NetworkSpec,
        values: impl Fn(&Layer, &[usize]) -> Result<[Tensor; 2]>,
    ) -> Result<Self> {
        let layers = Layers::new(spec).map_err(candle_core::Error::wrap)?;
        let mut parameters = Vec::new();
        for layer in layers.iter() {
            let Some(shape) = &layer.weight else { continue };
            let [weight, bias] = values(layer, shape)?;
            let parameter = |name, role, tensor| Parameter {
                name,
                layer: layer.spec.name.clone(),
                role,
                tensor,
            };
            let weight = to_memory(layer, &weight)?;
            parameters.push(parameter(weight_name(layer), Role::Weight, weight));
            parameters.push(parameter(bias_name(layer), Role::Bias, bias.contiguous()?));
        }
        Ok(Self { spec: spec.clone(), layers, parameters })
    }

    /// The description.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The layers with their shapes.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The parameters, in the order of the layers, weights before biases.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Puts `tensor` in the place of parameter `index`, for optimizers that keep the values themselves.
    ///
    /// # Errors
    ///
    /// Another shape than the parameter's.
    pub fn replace_parameter(&mut self, index: usize, tensor: Tensor) -> Result<()> {
        let Some(parameter) = self.parameters.get_mut(index) else {
            bail!("network `{}` has no parameter {index}", self.spec.name)
        };
        if parameter.tensor.dims() != tensor.dims() {
            bail!("`{}` is {:?}, not {:?}", parameter.name, parameter.tensor.dims(), tensor.dims())
        }
        parameter.tensor = tensor;
        Ok(())
    }

    /// The values of `memory`, laid out as parameter `index` is in memory, in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn disk_layout(&self, index: usize, memory: &Tensor) -> Result<Tensor> {
        match (self.parameters[index].role, self.layer_of(index)) {
            (Role::Weight, Some(layer)) => to_disk(layer, memory),
            _ => memory.contiguous(),
        }
    }

    /// The values of `disk`, in PyTorch's layout, laid out as parameter `index` is in memory.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn memory_layout(&self, index: usize, disk: &Tensor) -> Result<Tensor> {
        match (self.parameters[index].role, self.layer_of(index)) {
            (Role::Weight, Some(layer)) => to_memory(layer, disk),
            _ => disk.contiguous(),
        }
    }

    /// All parameters by name in PyTorch's layout, ready for `candle_core::safetensors::save`.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        let named =
            |(i, p): (usize, &Parameter)| Ok((p.name.clone(), self.disk_layout(i, &p.tensor)?));
        self.parameters.iter().enumerate().map(named).collect()
    }

    fn layer_of(&self, parameter: usize) -> Option<&Layer> {
        self.layers.iter().filter(|l| l.weight.is_some()).nth(parameter / 2)
    }

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
        let mut activations = Vec::with_capacity(self.spec.layers.len() + 1);
        let logits = self.run(images, mode, |x| activations.push(x.clone()))?;
        activations.push(logits);
        Ok(Tape { activations, mode })
    }

    fn run(&self, images: &Tensor, mode: Mode, mut keep: impl FnMut(&Tensor)) -> Result<Tensor> {
        let (_, c, h, w) = images.dims4()?;
        if [c, h, w] != self.spec.input {
            bail!(
                "images are {:?}, but network `{}` takes {:?}",
                [c, h, w],
                self.spec.name,
                self.spec.input
            )
        }
        let mut parameters = self.parameters.chunks_exact(2);
        let mut x = images.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            keep(&x);
            x = match layer.op {
                Op::Conv(conv) => {
                    let [w, b] = next(&mut parameters)?;
                    conv.forward(&x, w, b)? // (B, O, H', W')
                }
                Op::Linear => {
                    let [w, b] = next(&mut parameters)?;
                    Linear.forward(&flat(&x)?, w, b)? // (B, O)
                }
                Op::Relu => Relu.forward(&x)?,
                Op::Lrn(lrn) => lrn.forward(&x)?,
                Op::MapNorm(norm) => norm.forward(&x)?,
                Op::MaxPool(pool) => pool.forward(&x)?, // (B, C, H', W')
                Op::Dropout(dropout) => dropout.forward(&x, dropout_mode(mode, index))?,
            };
        }
        Ok(x)
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
        let mut parameter = self.parameters.len();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (Some(y), Some(x)) = (activations.pop(), activations.last()) else {
                bail!("the tape is not of this network")
            };
            let input_gradient = index > 0;
            let (dx, gradients) = match layer.op {
                Op::Conv(conv) => {
                    let g = conv.backward(
                        x,
                        &self.parameters[parameter - 2].tensor,
                        &dy,
                        input_gradient,
                    )?;
                    (g.input, Some([g.weight, g.bias]))
                }
                Op::Linear => {
                    let w = &self.parameters[parameter - 2].tensor;
                    let g = Linear.backward(&flat(x)?, w, &dy, input_gradient)?;
                    (g.input.map(|dx| unflat(&dx, x)).transpose()?, Some([g.weight, g.bias]))
                }
                Op::Relu => (Some(Relu.backward(&y, &dy)?), None),
                Op::Lrn(lrn) => (Some(lrn.backward(x, &dy)?), None),
                Op::MapNorm(norm) => (Some(norm.backward(x, &dy)?), None),
                Op::MaxPool(pool) => (Some(pool.backward(x, &dy)?), None),
                Op::Dropout(d) => (Some(d.backward(&dy, dropout_mode(mode, index))?), None),
            };
            if let Some([weight, bias]) = gradients {
                parameter -= 2;
                update(parameter, &weight)?;
                update(parameter + 1, &bias)?;
            }
            match dx {
                Some(dx) => dy = dx,
                None => break,
            }
        }
        Ok(())
    }
}

impl Module for Network {
    /// Evaluation: images `(B, C, H, W)` to logits `(B, classes)`.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Self::forward(self, images, Mode::Test)
    }
}

/// The weight and bias of the next layer that has them.
fn next<'a>(parameters: &mut std::slice::ChunksExact<'a, Parameter>) -> Result<[&'a Tensor; 2]> {
    match parameters.next() {
        Some([weight, bias]) => Ok([&weight.tensor, &bias.tensor]),
        _ => bail!("a layer has no parameters"),
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
