//! A network where it runs: on one device, or each of its towers on one.

use std::collections::HashMap;

use alexnet_kernels::{Route, connect};
use candle_core::{DType, Device, Result, Tensor, bail};

use crate::walk::Walk;
use crate::{Layers, Mode, Network, NetworkSpec, Parameter, SpecError, Tape};

/// A network on one device, or split by its towers over several: the same parameters, the same checkpoints and, to
/// rounding, the same numbers.
///
/// Each tower is a [`Network`] whose layers have the tower's share of the outputs. It updates its own parameters;
/// activations, and gradients by them, cross where a layer reads every tower's ([`crossings`](Self::crossings)).
/// Several towers may be on one device: then they take turns.
#[derive(Debug, Clone)]
pub struct PlacedNetwork {
    whole: Layers,
    towers: Vec<Network>,
    route: Route,
}

impl PlacedNetwork {
    /// What a network like `spec` would have on each of so many devices, without its weights.
    ///
    /// # Errors
    ///
    /// A description that is no network, or has another number of towers, or a layer that does not divide among them.
    pub fn check(
        spec: &NetworkSpec,
        devices: usize,
    ) -> std::result::Result<Vec<Layers>, SpecError> {
        towers(spec, devices)
    }

    /// `network` for so many devices: for one all of it, for more a tower for each. All stay where `network` is, in its
    /// memory; [`on`](Self::on) brings them to their devices.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn new(network: &Network, devices: usize) -> Result<Self> {
        let whole = network.layers().clone();
        let towers = match devices {
            1 => vec![network.clone()],
            _ => {
                let towers = towers(network.spec(), devices).map_err(candle_core::Error::wrap)?;
                towers.into_iter().map(|layers| network.tower(layers)).collect::<Result<_>>()?
            }
        };
        Ok(Self { whole, towers, route: Route::Same })
    }

    /// The same with each tower on one of `devices`, and the weights, which products read, stored as `weights`; biases
    /// stay f32.
    ///
    /// # Errors
    ///
    /// Not one device for each tower; no memory there; a type that candle does not convert to; cards that the driver
    /// does not connect.
    pub fn on(&self, devices: &[Device], weights: DType) -> Result<Self> {
        if devices.len() != self.towers.len() {
            bail!("{} devices for {} towers", devices.len(), self.towers.len())
        }
        let on = |(tower, device): (&Network, &Device)| tower.on(device, weights);
        let towers = self.towers.iter().zip(devices).map(on).collect::<Result<_>>()?;
        Ok(Self { whole: self.whole.clone(), towers, route: connect(devices)? })
    }

    /// The description.
    pub fn spec(&self) -> &NetworkSpec {
        self.towers[0].spec()
    }

    /// The layers of the whole network.
    pub fn layers(&self) -> &Layers {
        &self.whole
    }

    /// What is on each device: the whole network, or a tower.
    pub fn towers(&self) -> &[Network] {
        &self.towers
    }

    /// The names of the layers before which activations cross from each device to the others.
    pub fn crossings(&self) -> Vec<&str> {
        self.towers[0].layers().crossings()
    }

    /// How activations get from one device to another.
    pub fn route(&self) -> Route {
        self.route
    }

    /// The parameters of the first tower, in the order of the layers, weights before biases; then of the next. Those
    /// of two towers with one name are rows of one parameter of the network.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.towers.iter().flat_map(Network::parameters)
    }

    /// Puts `tensor` in the place of parameter `index`, for optimizers that keep the values themselves.
    ///
    /// # Errors
    ///
    /// Another shape than the parameter's.
    pub fn replace_parameter(&mut self, index: usize, tensor: Tensor) -> Result<()> {
        let (tower, index) = self.place(index);
        match self.towers.get_mut(tower) {
            Some(tower) => tower.replace_parameter(index, tensor),
            None => bail!("network `{}` has no tower {tower}", self.spec().name),
        }
    }

    /// Of `disk`, values for all rows of a parameter in PyTorch's layout, those of parameter `index`, on its device
    /// and laid out as it is in memory.
    ///
    /// # Errors
    ///
    /// Another shape than the whole parameter's; no memory.
    pub fn memory_layout(&self, index: usize, disk: &Tensor) -> Result<Tensor> {
        let (tower, place) = self.place(index);
        let Some(tower) = self.towers.get(tower) else {
            bail!("network `{}` has no tower {tower}", self.spec().name)
        };
        let (share, parameter) = (tower.share_of(place)?, &tower.parameters()[place]);
        let mut dims = parameter.tensor.dims().to_vec();
        dims[0] = share.whole;
        if disk.dims() != dims {
            bail!("values for `{}` have shape {:?}, not {dims:?}", parameter.name, disk.dims())
        }
        // Only these rows are to go to the device.
        let rows = disk.narrow(0, share.first, share.count)?.force_contiguous()?;
        tower.memory_layout(place, &rows)?.to_device(tower.device())
    }

    /// `values`, one tensor for each of [`parameters`](Self::parameters) and laid out in memory as it is, by name and
    /// in PyTorch's layout, with all their rows. Where there are several towers they come to the processor.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn disk_tensors(&self, values: &[Tensor]) -> Result<HashMap<String, Tensor>> {
        let each = self.towers[0].parameters().len();
        if values.len() != each * self.towers.len() {
            bail!("{} values for {} parameters", values.len(), each * self.towers.len())
        }
        let whole = |(place, parameter): (usize, &Parameter)| {
            let part = |(number, tower): (usize, &Network)| {
                tower.disk_layout(place, &values[number * each + place])
            };
            let mut parts = self.towers.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?;
            let tensor = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 0)? };
            Ok((parameter.name.clone(), tensor))
        };
        self.towers[0].parameters().iter().enumerate().map(whole).collect()
    }

    /// Images `(B, C, H, W)`, the same on the device of each of [`towers`](Self::towers), to logits `(B, classes)` on the first.
    ///
    /// # Errors
    ///
    /// Images of another shape than the network's input, or not one tensor for each tower; whatever an operation refuses.
    pub fn forward(&self, images: &[Tensor], mode: Mode) -> Result<Tensor> {
        Walk(&self.towers).forward(images, mode)
    }

    /// The same as [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_tape(&self, images: &[Tensor], mode: Mode) -> Result<Tape> {
        Walk(&self.towers).forward_tape(images, mode)
    }

    /// As [`Network::backward`]; `gradient` is on the first device, and `update` hears of indices in
    /// [`parameters`](Self::parameters).
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
        let each = self.towers[0].parameters().len();
        Walk(&self.towers)
            .backward(tape, gradient, &mut |tower, index, g| update(tower * each + index, g))
    }

    /// The tower of parameter `index`, and its place there.
    fn place(&self, index: usize) -> (usize, usize) {
        let each = self.towers[0].parameters().len().max(1);
        (index / each, index % each)
    }
}

impl From<Network> for PlacedNetwork {
    /// The network on the device that it is on.
    fn from(network: Network) -> Self {
        Self { whole: network.layers().clone(), towers: vec![network], route: Route::Same }
    }
}

/// The layers that each of so many devices runs.
fn towers(spec: &NetworkSpec, devices: usize) -> std::result::Result<Vec<Layers>, SpecError> {
    match devices {
        1 => Ok(vec![Layers::new(spec)?]),
        n if n == spec.towers => (0..n).map(|number| Layers::of_tower(spec, number)).collect(),
        devices => {
            let (network, towers) = (spec.name.clone(), spec.towers);
            Err(SpecError::Towers { network, towers, devices })
        }
    }
}
