//! Momentum and weight decay by the paper's rule, one pass over each parameter's weights and velocity.

use std::collections::HashMap;

use alexnet_kernels::Sgd;
use alexnet_model::{Parameter, PlacedNetwork, Role};
use candle_core::{DType, Device, Result, Tensor};

use crate::{Plateau, Recipe};

/// The velocities of a network's parameters, each beside the values it moves.
///
/// A parameter of n values is row 0 of a `(2, n)` tensor whose row 1 is its velocity, so that one operation
/// updates both; the network holds a view of row 0 and sees each update as it is made. Where products read bf16, the
/// weights in row 0 stay f32, and the network holds a copy that the same operation writes. Each is on the device of its
/// parameter: the towers of a network that is split are updated where they are.
#[derive(Debug)]
pub struct Optimizer {
    states: Vec<Tensor>,         // (2, n) f32
    copies: Vec<Option<Tensor>>, // (n) bf16
}

/// Rate, momentum and decay of each parameter, in the network's order.
pub type StepRates = Vec<Sgd>;

impl Optimizer {
    /// Takes over the parameters of `network`, which are f32; `velocities`, by parameter name and in PyTorch's layout,
    /// start at 0 where they are missing. Products are to read weights stored as `weights`.
    ///
    /// # Errors
    ///
    /// A velocity of another shape than its parameter; no memory.
    pub fn new(
        network: &mut PlacedNetwork,
        velocities: &HashMap<String, Tensor>,
        weights: DType,
    ) -> Result<Self> {
        let parameters: Vec<Parameter> = network.parameters().cloned().collect();
        let count = parameters.len();
        let (mut states, mut copies) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (index, Parameter { name, tensor, role, .. }) in parameters.into_iter().enumerate() {
            let copied = role == Role::Weight && weights != DType::F32;
            let dims = tensor.dims().to_vec();
            let weight = memory_order(&tensor)?; // (n)
            let velocity = match velocities.get(&name) {
                Some(v) => memory_order(&network.memory_layout(index, v)?)?,
                None => weight.zeros_like()?,
            };
            let state = Tensor::stack(&[&weight, &velocity], 0)?; // (2, n)
            let copy = if copied { Some(weight.to_dtype(weights)?) } else { None };
            let seen = match &copy {
                Some(copy) => as_parameter(copy, &dims)?,
                None => row(&state, 0, &dims)?,
            };
            network.replace_parameter(index, seen)?;
            states.push(state);
            copies.push(copy);
        }
        Ok(Self { states, copies })
    }

    /// Updates parameter `index` by `gradient`, the batch's mean, laid out in memory as the parameter is.
    ///
    /// # Errors
    ///
    /// A gradient of another size.
    pub fn update(&self, index: usize, gradient: &Tensor, rates: &StepRates) -> Result<()> {
        let (state, gradient) = (&self.states[index], memory_order(gradient)?);
        match &self.copies[index] {
            Some(copy) => rates[index].update_with_copy(state, &gradient, copy),
            None => rates[index].update(state, &gradient),
        }
    }

    /// The network's parameters by name and their velocities, f32, in PyTorch's layout, in the host's memory.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn values(&self, network: &PlacedNetwork) -> Result<[HashMap<String, Tensor>; 2]> {
        let host = self.states.iter().map(|state| state.to_device(&Device::Cpu));
        let host = host.collect::<Result<Vec<_>>>()?;
        let rows = |number| {
            let of = |(state, p): (&Tensor, &Parameter)| row(state, number, p.tensor.dims());
            let rows = host.iter().zip(network.parameters()).map(of).collect::<Result<Vec<_>>>()?;
            network.disk_tensors(&rows)
        };
        Ok([rows(0)?, rows(1)?])
    }

    /// The device the states are on.
    pub fn device(&self) -> &Device {
        self.states.first().map_or(&Device::Cpu, Tensor::device)
    }
}

/// What each parameter's update uses in `epoch`.
pub fn step_rates(
    recipe: &Recipe,
    plateau: &Plateau,
    epoch: usize,
    network: &PlacedNetwork,
) -> StepRates {
    let of = |p: &Parameter| {
        let rates = recipe.rates(epoch, &p.layer, p.role);
        Sgd { rate: rates.rate * plateau.factor, momentum: recipe.momentum, decay: rates.decay }
    };
    network.parameters().map(of).collect()
}

/// The rate of the last layer's weights, the one people mean by "the rate".
pub(crate) fn headline_rate(rates: &StepRates, network: &PlacedNetwork) -> f32 {
    let weights = network.parameters().zip(rates).filter(|(p, _)| p.role == Role::Weight);
    weights.map(|(_, r)| r.rate).last().unwrap_or(0.0)
}

/// The values of a dense or channels-last tensor in the order of memory: `(n)`, without a copy.
fn memory_order(t: &Tensor) -> Result<Tensor> {
    match t.rank() {
        4 => t.permute((0, 2, 3, 1))?.contiguous()?.flatten_all(), // (O, I, kH, kW) over (O, kH, kW, I)
        _ => t.contiguous()?.flatten_all(),
    }
}

/// Row `index` of a `(2, n)` state as a parameter of shape `dims`: a view.
fn row(state: &Tensor, index: usize, dims: &[usize]) -> Result<Tensor> {
    as_parameter(&state.narrow(0, index, 1)?, dims)
}

/// Values in the order of memory as a parameter of shape `dims`: a view.
fn as_parameter(flat: &Tensor, dims: &[usize]) -> Result<Tensor> {
    match *dims {
        [o, i, h, w] => flat.reshape((o, h, w, i))?.permute((0, 3, 1, 2)),
        _ => flat.reshape(dims),
    }
}
