//! Momentum and weight decay by the paper's rule, one pass over each parameter's weights and velocity.

use std::collections::HashMap;

use alexnet_kernels::Sgd;
use alexnet_model::{Network, Parameter, Role};
use candle_core::{Device, Result, Tensor, bail};

use crate::{Plateau, Recipe};

/// The velocities of a network's parameters, each beside the values it moves.
///
/// A parameter of n values is row 0 of a `(2, n)` tensor whose row 1 is its velocity, so that one operation
/// updates both; the network holds a view of row 0 and sees each update as it is made.
#[derive(Debug)]
pub struct Optimizer {
    states: Vec<Tensor>,
}

/// Rate, momentum and decay of each parameter, in the network's order.
pub type StepRates = Vec<Sgd>;

impl Optimizer {
    /// Takes over the parameters of `network`; `velocities`, by parameter name and in PyTorch's layout,
    /// start at 0 where they are missing.
    ///
    /// # Errors
    ///
    /// A velocity of another shape than its parameter; no memory.
    pub fn new(network: &mut Network, velocities: &HashMap<String, Tensor>) -> Result<Self> {
        let mut states = Vec::with_capacity(network.parameters().len());
        for index in 0..network.parameters().len() {
            let Parameter { name, tensor, .. } = &network.parameters()[index];
            let dims = tensor.dims().to_vec();
            let weight = memory_order(tensor)?; // (n)
            let velocity = match velocities.get(name) {
                Some(v) if v.elem_count() == weight.elem_count() => {
                    memory_order(&network.memory_layout(index, v)?)?
                }
                Some(v) => bail!("velocity of `{name}` has shape {:?}, not {dims:?}", v.dims()),
                None => weight.zeros_like()?,
            };
            let state = Tensor::stack(&[&weight, &velocity], 0)?; // (2, n)
            network.replace_parameter(index, row(&state, 0, &dims)?)?;
            states.push(state);
        }
        Ok(Self { states })
    }

    /// Updates parameter `index` by `gradient`, the batch's mean, laid out in memory as the parameter is.
    ///
    /// # Errors
    ///
    /// A gradient of another size.
    pub fn update(&self, index: usize, gradient: &Tensor, rates: &StepRates) -> Result<()> {
        rates[index].update(&self.states[index], &memory_order(gradient)?)
    }

    /// Velocities by parameter name, in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn velocities(&self, network: &Network) -> Result<Vec<(String, Tensor)>> {
        let of = |(index, (state, p)): (usize, (&Tensor, &Parameter))| {
            let velocity = network.disk_layout(index, &row(state, 1, p.tensor.dims())?)?;
            Ok((p.name.clone(), velocity))
        };
        self.states.iter().zip(network.parameters()).enumerate().map(of).collect()
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
    network: &Network,
) -> StepRates {
    let of = |p: &Parameter| {
        let rates = recipe.rates(epoch, &p.layer, p.role);
        Sgd { rate: rates.rate * plateau.factor, momentum: recipe.momentum, decay: rates.decay }
    };
    network.parameters().iter().map(of).collect()
}

/// The rate of the last layer's weights, the one people mean by "the rate".
pub(crate) fn headline_rate(rates: &StepRates, network: &Network) -> f32 {
    let weights = network.parameters().iter().zip(rates).filter(|(p, _)| p.role == Role::Weight);
    weights.map(|(_, r)| r.rate).next_back().unwrap_or(0.0)
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
    let flat = state.narrow(0, index, 1)?;
    match *dims {
        [o, i, h, w] => flat.reshape((o, h, w, i))?.permute((0, 3, 1, 2)),
        _ => flat.reshape(dims),
    }
}
