//! A network with its parameters on a device.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::parameters::{bias_name, initial, to_disk, to_memory, weight_name};
use crate::stage::stages;
use crate::{Layer, Layers, NetworkSpec, Share, Stage};

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
    stages: Vec<Stage>,
    /// Weight, bias, weight, bias, … in the order of the layers that have them.
    parameters: Vec<Parameter>,
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

    /// The same network on `device`, with the weights, which products read, stored as `weights`; biases
    /// stay f32.
    ///
    /// # Errors
    ///
    /// No memory on the device; a type that candle does not convert to.
    pub fn on(&self, device: &Device, weights: DType) -> Result<Self> {
        let whole = self.layers.iter().all(|layer| layer.share == Share::all(layer.share.whole));
        let mut network = self.clone();
        for parameter in &mut network.parameters {
            // Of a tower's rows only these are to go there, and not all that share their memory.
            let own = if whole {
                parameter.tensor.clone()
            } else {
                in_memory(&parameter.tensor, Tensor::force_contiguous)?
            };
            let tensor = own.to_device(device)?;
            parameter.tensor = match parameter.role {
                // By rows of memory: candle's conversion gives back row-major tensors.
                Role::Weight if tensor.dtype() != weights => {
                    in_memory(&tensor, |x| x.to_dtype(weights))?
                }
                _ => tensor,
            };
        }
        Ok(network)
    }

    /// The tower whose layers are `layers`, with its rows of the parameters here; they share memory.
    pub(crate) fn tower(&self, layers: Layers) -> Result<Self> {
        let mut tower = Self { layers, ..self.clone() };
        for index in 0..tower.parameters.len() {
            let share = tower.share_of(index)?;
            let parameter = &mut tower.parameters[index];
            parameter.tensor = parameter.tensor.narrow(0, share.first, share.count)?;
        }
        Ok(tower)
    }

    /// Which rows of the whole network's parameter `index` this one has.
    pub(crate) fn share_of(&self, index: usize) -> Result<Share> {
        match self.layer_of(index) {
            Some(layer) => Ok(layer.share),
            None => bail!("network `{}` has no parameter {index}", self.spec.name),
        }
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
        let stages = stages(&layers);
        Ok(Self { spec: spec.clone(), layers, stages, parameters })
    }

    /// The description.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The layers with their shapes.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The layers as they run.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
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

    /// Where in [`parameters`](Self::parameters) the weights of layer number `layer` are, with its biases
    /// behind them; `None` for a layer without.
    pub fn first_parameter(&self, layer: usize) -> Option<usize> {
        self.layers.iter().nth(layer)?.weight.as_ref()?;
        Some(2 * self.layers.iter().take(layer).filter(|l| l.weight.is_some()).count())
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        self.parameters.first().map_or(&Device::Cpu, |p| p.tensor.device())
    }

    fn layer_of(&self, parameter: usize) -> Option<&Layer> {
        self.layers.iter().filter(|l| l.weight.is_some()).nth(parameter / 2)
    }
}

/// `f` of a parameter as it lies in memory, and the result laid out as the parameter is.
fn in_memory(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match x.rank() {
        4 => f(&x.permute((0, 2, 3, 1))?.contiguous()?)?.permute((0, 3, 1, 2)),
        _ => f(&x.contiguous()?),
    }
}
