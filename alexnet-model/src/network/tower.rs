//! A tower: the layers that one device runs, and their parameters.

use candle_core::{Device, Result, Tensor};

use super::fused_layer::FusedLayer;
use super::on_gpu::arrange;
use super::parameter::{Parameter, Role, names};

/// What is on one device: the whole of a network, or its share of every layer.
#[derive(Debug, Clone)]
pub struct Tower {
    pub(super) layers: Vec<FusedLayer>,
    /// Weight, bias, weight, bias, … in the order of the layers that have them.
    pub(super) parameters: Vec<Parameter>,
}

impl Tower {
    /// The tower of these layers; `values` gives the weight and bias of each layer that has them,
    /// laid out as in memory.
    pub(super) fn new(
        layers: Vec<FusedLayer>,
        values: impl Fn(&FusedLayer, &[usize]) -> Result<[Tensor; 2]>,
    ) -> Result<Self> {
        let mut parameters = Vec::new();
        for layer in &layers {
            let Some(shape) = &layer.weight else { continue };
            let values = names(&layer.name).into_iter().zip(values(layer, shape)?);
            for ((name, tensor), role) in values.zip([Role::Weight, Role::Bias]) {
                let (share, pixels) = (layer.rows(), layer.pixels());
                parameters.push(Parameter {
                    name,
                    layer: layer.name.clone(),
                    role,
                    tensor,
                    share,
                    pixels,
                });
            }
        }
        Ok(Self::arranged(layers, parameters))
    }

    /// The tower of these layers with the parameters of `other`, of which they have at least the
    /// first.
    pub(super) fn with_parameters(layers: Vec<FusedLayer>, other: &Self) -> Self {
        Self::arranged(layers, other.parameters.clone())
    }

    /// The layers as the device of the parameters runs them.
    fn arranged(layers: Vec<FusedLayer>, parameters: Vec<Parameter>) -> Self {
        let mut tower = Self { layers, parameters };
        if !tower.device().is_cpu() {
            arrange(&mut tower.layers);
        }
        tower
    }

    /// The layers as they run, first to last.
    pub fn layers(&self) -> &[FusedLayer] {
        &self.layers
    }

    /// The parameters, in the order of the layers, weights before biases.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        self.parameters.first().map_or(&Device::Cpu, |p| p.tensor.device())
    }
}
