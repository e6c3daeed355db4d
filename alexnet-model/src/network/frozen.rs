//! Frozen layers: the first layers of a network, where none of them is trained in a step. The
//! backward pass ends after them, and their forward pass keeps nothing for it.

use std::borrow::Cow;

use alexnet_kernels::InputGrad;

use super::Network;
use super::fused_layer::FusedLayer;

/// How many of the layers that run are frozen, from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrozenLayers(pub(super) usize);

impl FrozenLayers {
    /// All layers are trained.
    pub const NONE: Self = Self(0);

    /// Whether layer `number` is one of them.
    pub(super) fn has(self, number: usize) -> bool {
        number < self.0
    }

    /// Layer `number` as it runs: the first that is trained computes no gradient with respect to
    /// its input, as the first of the network does not.
    pub(super) fn layer(self, layer: &FusedLayer, number: usize) -> Cow<'_, FusedLayer> {
        if number == self.0 && number > 0 {
            return Cow::Owned(FusedLayer { input_grad: InputGrad::Skip, ..layer.clone() });
        }
        Cow::Borrowed(layer)
    }
}

impl Network {
    /// The layers that are frozen in a step which updates only the parameters for which
    /// `is_trained` is true of their index in [`parameters`](Self::parameters): all layers before
    /// the first with such a parameter.
    ///
    /// ```
    /// # use alexnet_model::{FrozenLayers, Mode, Network, NetworkSpec};
    /// # use candle_core::{DType, Device, Tensor};
    /// let network = Network::new(&NetworkSpec::preset("demo")?, 1, &Device::Cpu)?;
    /// let names: Vec<&str> = network.parameters().map(|p| p.layer.as_str()).collect();
    /// let frozen = network.frozen_layers(|index| names[index].starts_with("fc"));
    /// assert_eq!(network.frozen_layers(|_| true), FrozenLayers::NONE);
    ///
    /// let images = Tensor::zeros((2, 3, 64, 64), DType::F32, &Device::Cpu)?;
    /// let tape = network.forward_tape(&images, Mode::Train { seed: 1, step: 0 }, frozen)?;
    /// let (gradient, mut updated) = (tape.logits().ones_like()?, Vec::new());
    /// network.backward(tape, gradient, &mut |index, _| Ok(updated.push(names[index])))?;
    /// assert_eq!(updated, ["fc8", "fc8", "fc7", "fc7", "fc6", "fc6"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frozen_layers(&self, is_trained: impl Fn(usize) -> bool) -> FrozenLayers {
        let first = |tower: usize| {
            let before: usize = self.towers[..tower].iter().map(|t| t.parameters.len()).sum();
            let trained = |layer: &FusedLayer| {
                let own = layer.first_parameter.map(|first| before + first..before + first + 2);
                own.is_some_and(|mut own| own.any(&is_trained))
            };
            self.towers[tower].layers.iter().position(trained)
        };
        let first = (0..self.towers.len()).filter_map(first).min();
        FrozenLayers(first.unwrap_or(self.depth()))
    }
}
