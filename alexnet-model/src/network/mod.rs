//! A network with its parameters, on one device or split by its towers over several.

mod activations;
mod collective;
pub(crate) mod frozen;
mod fuse;
pub(crate) mod fused_layer;
mod init;
pub(crate) mod layer_pass;
mod on_gpu;
pub(crate) mod parameter;
pub(crate) mod pass;
pub(crate) mod tape;
pub(crate) mod tower;

use std::collections::HashMap;

use alexnet_kernels::{Interconnect, SpaceToDepth, enable_peer_access};
use candle_core::{DType, Device, Error, Result, Tensor, bail};
use candle_nn::VarBuilder;

use self::fused_layer::FusedLayer;
use self::init::initial;
use self::parameter::{Parameter, names, to_memory};
use self::tower::Tower;
use crate::spec::NetworkSpec;

/// A network with its parameters: on one device, or with each of its towers on one. The parameters,
/// the checkpoints and, to rounding, the numbers are the same.
///
/// On several devices each tower computes its share of every layer's outputs and updates its own
/// rows of the parameters. Activations, and gradients with respect to them, cross where a layer
/// reads the outputs of all towers ([`gathering_layers`](Self::gathering_layers)). Several towers
/// may be on one device: then they take turns.
#[derive(Debug, Clone)]
pub struct Network {
    spec: NetworkSpec,
    /// At least one, each with at least one layer.
    towers: Vec<Tower>,
    route: Interconnect,
}

impl Network {
    /// A network on one device with first values drawn from `seed`: the same for the same seed on
    /// every machine.
    ///
    /// # Errors
    ///
    /// A description that is no network; no memory on the device.
    pub fn new(spec: &NetworkSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::whole(spec, |layer, shape| initial(layer, shape, seed, device))
    }

    /// A network with the parameters in `tensors`, on the device of these. Names and layout are
    /// PyTorch's ([`candle_core::safetensors::load`] gives such a map).
    ///
    /// # Errors
    ///
    /// A missing tensor, or one whose shape is not the network's, by name.
    pub fn from_tensors(spec: &NetworkSpec, tensors: &HashMap<String, Tensor>) -> Result<Self> {
        let network = &spec.name;
        let find = |name: &str, shape: &[usize]| match tensors.get(name) {
            None => bail!("the weights have no tensor `{name}`, which network `{network}` needs"),
            Some(t) if t.dims() != shape => {
                let dims = t.dims();
                bail!("tensor `{name}` has shape {dims:?}, but network `{network}` needs {shape:?}")
            }
            Some(t) => t.to_dtype(DType::F32),
        };
        Self::whole(spec, |layer, shape| {
            let [weight, bias] = names(&layer.name);
            Ok([find(&weight, shape)?, find(&bias, &shape[..1])?])
        })
    }

    /// A network whose parameters `builder` gives, as candle's own models are made: from a file,
    /// from zeros, or, over a `VarMap`, as variables that candle's optimizers train. Names and
    /// layout are PyTorch's. Weights are turned to channels-last here, so make the network anew
    /// after each step of such an optimizer.
    ///
    /// # Errors
    ///
    /// What `builder` refuses: a missing tensor or one of another shape.
    pub fn from_var_builder(spec: &NetworkSpec, builder: &VarBuilder<'_>) -> Result<Self> {
        Self::whole(spec, |layer, shape| {
            let [weight, bias] = names(&layer.name);
            Ok([builder.get(shape, &weight)?, builder.get(shape[0], &bias)?])
        })
    }

    /// The network on one device; `values` are in PyTorch's layout.
    fn whole(
        spec: &NetworkSpec,
        values: impl Fn(&FusedLayer, &[usize]) -> Result<[Tensor; 2]>,
    ) -> Result<Self> {
        let tower = Tower::new(spec.fused_layers().map_err(Error::wrap)?, |layer, shape| {
            let [weight, bias] = values(layer, shape)?;
            Ok([to_memory(&weight, layer.pixels())?, to_memory(&bias, layer.pixels())?])
        })?;
        Ok(Self { spec: spec.clone(), towers: vec![tower], route: Interconnect::Same })
    }

    /// The same network on one device, or split with a tower on each of several. Weights, which
    /// matmuls read, are stored as `weights` on GPUs; on the CPU, and in biases, numbers stay f32.
    ///
    /// # Errors
    ///
    /// A number of devices that is neither 1 nor that of the towers, or a layer that does not
    /// divide among them; no memory there; a type that candle does not convert to; GPUs that the
    /// driver does not connect.
    pub fn to_devices(&self, devices: &[Device], weights: DType) -> Result<Self> {
        let [whole] = &self.towers[..] else {
            let whole = Self::from_tensors(&self.spec, &self.tensors()?)?;
            return whole.to_devices(devices, weights);
        };
        let layers = self.spec.fused_layers_on(devices.len()).map_err(Error::wrap)?;
        let tower = |(layers, device): (Vec<FusedLayer>, &Device)| {
            Tower::new(layers, |layer, _| {
                let rows =
                    |place: usize| whole.parameters[place].rows(layer.rows(), device, weights);
                let first = layer.first_parameter.unwrap_or_default();
                Ok([rows(first)?, rows(first + 1)?])
            })
        };
        let towers = layers.into_iter().zip(devices).map(tower).collect::<Result<_>>()?;
        Ok(Self { spec: self.spec.clone(), towers, route: enable_peer_access(devices)? })
    }

    /// The description.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// What is on each device: the whole network, or a tower.
    pub fn towers(&self) -> &[Tower] {
        &self.towers
    }

    /// The names of the layers before which the activations of all towers are gathered on each
    /// device.
    pub fn gathering_layers(&self) -> Vec<&str> {
        let gathering = self.towers[0].layers.iter().filter(|layer| layer.all_gather);
        gathering.map(|layer| layer.name.as_str()).collect()
    }

    /// The blocks of pixels in which the network's GPUs convolve images; `None` on the CPU, and for
    /// a first layer that takes pixels. Images may be given in these blocks.
    ///
    /// # Errors
    ///
    /// A network whose first layer does not fit its input.
    pub fn image_blocks(&self) -> Result<Option<SpaceToDepth>> {
        let (tower, [_, h, w]) = (&self.towers[0], self.spec.input);
        match tower.layers.first() {
            Some(first) if !tower.device().is_cpu() => {
                first.image_blocks(&tower.parameters, (h, w))
            }
            _ => Ok(None),
        }
    }

    /// How activations get from one device to another.
    pub fn route(&self) -> Interconnect {
        self.route
    }

    /// The parameters of the first tower, in the order of the layers, weights before biases; then
    /// of the next. Those of two towers with one name are rows of one parameter of the network.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.towers.iter().flat_map(|tower| &tower.parameters)
    }

    /// Puts `tensor` in the place of parameter `index`, for optimizers that keep the values
    /// themselves.
    ///
    /// # Errors
    ///
    /// Another shape than the parameter's.
    pub fn replace_parameter(&mut self, index: usize, tensor: Tensor) -> Result<()> {
        let mut all = self.towers.iter_mut().flat_map(|tower| &mut tower.parameters);
        let Some(parameter) = all.nth(index) else {
            bail!("network `{}` has no parameter {index}", self.spec.name)
        };
        if parameter.tensor.dims() != tensor.dims() {
            bail!("`{}` is {:?}, not {:?}", parameter.name, parameter.tensor.dims(), tensor.dims())
        }
        parameter.tensor = tensor;
        Ok(())
    }

    /// All parameters by name in PyTorch's layout, ready for [`candle_core::safetensors::save`].
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        self.named(&self.parameters().map(|p| p.tensor.clone()).collect::<Vec<_>>())
    }

    /// `values`, one tensor for each of [`parameters`](Self::parameters) and laid out in memory as
    /// it is, by name and in PyTorch's layout, with the rows of all towers. Those of several towers
    /// are brought to the CPU.
    ///
    /// # Errors
    ///
    /// Not one tensor for each parameter; no memory.
    pub fn named(&self, values: &[Tensor]) -> Result<HashMap<String, Tensor>> {
        let first = &self.towers[0].parameters;
        if values.len() != self.parameters().count() {
            bail!("{} values for {} parameters", values.len(), self.parameters().count())
        }
        let whole = |(place, parameter): (usize, &Parameter)| {
            let own = values.iter().skip(place).step_by(first.len());
            let parts = own.map(|part| parameter.disk_layout(part)).collect::<Result<Vec<_>>>()?;
            let tensor = match &parts[..] {
                [part] => part.clone(),
                parts => {
                    let cpu = parts.iter().map(|part| part.to_device(&Device::Cpu));
                    Tensor::cat(&cpu.collect::<Result<Vec<_>>>()?, 0)?
                }
            };
            Ok((parameter.name.clone(), tensor))
        };
        first.iter().enumerate().map(whole).collect()
    }
}
