//! SGD with momentum and weight decay by the paper's rule, in one pass over weights and velocity.

use std::collections::HashMap;

use alexnet_kernels::Sgd;
use alexnet_model::{Network, Parameter, Role};
use candle_core::{DType, Device, Result, Tensor, bail};

use crate::train::parameter_state::{as_parameter, memory_order, row};
use crate::train::snapshot::{Overwrite, Snapshot};

/// The parameters of a network with their velocities.
///
/// A parameter of n values is row 0 of a `(2, n)` tensor, and its velocity is row 1, so that one
/// operation updates both. The network holds a view of row 0 and sees each update at once. Where
/// matmuls read bf16, row 0 holds the f32 master weights, and the network holds a bf16 copy that
/// the same operation writes. Each tensor is on the device of its tower.
#[derive(Debug)]
pub struct Optimizer {
    states: Vec<Tensor>,         // (2, n) f32
    copies: Vec<Option<Tensor>>, // (n) bf16
}

impl Optimizer {
    /// Takes over the parameters of `network`, which are f32. `velocities`, by parameter name and
    /// in PyTorch's layout, are 0 where they are missing. Matmuls and convolutions read weights of
    /// the dtype `weights`.
    ///
    /// # Errors
    ///
    /// A velocity of another shape than its parameter; a device without enough memory.
    pub fn new(
        network: &mut Network,
        velocities: &HashMap<String, Tensor>,
        weights: DType,
    ) -> Result<Self> {
        let parameters: Vec<Parameter> = network.parameters().cloned().collect();
        let (mut states, mut copies) = (Vec::new(), Vec::new());
        for (index, parameter) in parameters.into_iter().enumerate() {
            let Parameter { name, tensor, role, .. } = &parameter;
            let weight = memory_order(tensor)?; // (n)
            let velocity = match velocities.get(name) {
                Some(velocity) => memory_order(&parameter.memory_layout(velocity)?)?,
                None => weight.zeros_like()?,
            };
            let state = Tensor::stack(&[&weight, &velocity], 0)?; // (2, n)
            let is_copied = *role == Role::Weight && weights != DType::F32;
            let copy = is_copied.then(|| weight.to_dtype(weights)).transpose()?;
            let seen = match &copy {
                Some(copy) => as_parameter(copy, tensor.dims())?,
                None => row(&state, 0, tensor.dims())?,
            };
            network.replace_parameter(index, seen)?;
            states.push(state);
            copies.push(copy);
        }
        Ok(Self { states, copies })
    }

    /// Updates parameter `index`, whose rule is `rates[index]`, by the mean gradient of a batch,
    /// which has the parameter's shape and layout. A parameter whose rate is 0 stays as it is, and
    /// so does its velocity: like the authors' code, this neither decays it nor lets it coast.
    ///
    /// # Errors
    ///
    /// A gradient of another size; a parameter that the network does not have.
    pub fn update(&self, index: usize, gradient: &Tensor, rates: &[Sgd]) -> Result<()> {
        let (Some(state), Some(rule)) = (self.states.get(index), rates.get(index)) else {
            bail!("there is no parameter {index} with a rate")
        };
        if rule.rate == 0.0 {
            return Ok(());
        }
        match &self.copies[index] {
            Some(copy) => rule.update_with_copy(state, &memory_order(gradient)?, copy),
            None => rule.update(state, &memory_order(gradient)?),
        }
    }

    /// The values of parameter `index` and their velocity, each `(n)` f32 in the order of memory,
    /// if there is one.
    pub(crate) fn rows(&self, index: usize) -> Result<Option<[Tensor; 2]>> {
        let state = self.states.get(index);
        state.map(|state| Ok([state.get(0)?, state.get(1)?])).transpose()
    }

    /// A copy of the parameters and their velocities as they are now, in the host's memory.
    ///
    /// # Errors
    ///
    /// An error of a device.
    pub fn snapshot(&self, network: &Network) -> Result<Snapshot> {
        let copy = |state: &Tensor| match state.device().is_cpu() {
            true => state.copy(), // `to_device` would share the values, which the next step updates
            false => state.to_device(&Device::Cpu),
        };
        let states = self.states.iter().map(copy).collect::<Result<Vec<_>>>()?;
        Ok(Snapshot { network: network.clone(), states })
    }

    /// The same in the memory of an earlier snapshot of this network, whose values no one uses.
    pub(crate) fn snapshot_again(&self, network: &Network, old: &mut Snapshot) -> Result<()> {
        old.network = network.clone();
        for (state, old) in self.states.iter().zip(&mut old.states) {
            match state.device().is_cpu() {
                true => old.inplace_op2(state, &Overwrite)?,
                false => *old = state.to_device(&Device::Cpu)?,
            }
        }
        Ok(())
    }
}
