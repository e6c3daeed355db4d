//! What a layer of the network's file computes, whichever layers it is fused with when it runs.

use alexnet_kernels::Interconnect;
use candle_core::{Error, Result, Tensor};

use super::Network;
use super::fused_layer::Mode;
use super::pass::Images;
use super::tower::Tower;

impl Network {
    /// The outputs of the layer named `layer` in the network's file for images as
    /// [`forward`](Self::forward) takes them, in evaluation: `(B, C, H, W)`, or `(B, N)` after the
    /// first dense layer. They are those of that layer alone: of `conv2` before its ReLU, of `lrn1`
    /// before its pooling, also where the network runs these as one operation. They are on the
    /// first device, with the channels of all towers, in the dtype of its activations.
    ///
    /// ```
    /// # use alexnet_model::{Network, NetworkSpec};
    /// # use candle_core::{DType, Device, Tensor};
    /// let network = Network::new(&NetworkSpec::preset("demo")?, 1, &Device::Cpu)?;
    /// let images = Tensor::zeros((2, 3, 64, 64), DType::F32, &Device::Cpu)?;
    /// assert_eq!(network.activations(&images, "conv1")?.dims(), [2, 32, 32, 32]);
    /// assert_eq!(network.activations(&images, "relu7")?.dims(), [2, 256]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A name that no layer has, with the nearest one; as [`forward`](Self::forward).
    pub fn activations<'a>(&self, images: impl Into<Images<'a>>, layer: &str) -> Result<Tensor> {
        self.up_to(layer)?.forward(images, Mode::Test)
    }

    /// The same network without the layers after `layer`, so that nothing is fused into it that is
    /// not asked for. The parameters are shared; those of the layers left out are not read.
    fn up_to(&self, layer: &str) -> Result<Self> {
        let index = self
            .spec
            .place(layer)
            .map_err(|reason| Error::msg(format!("network `{}`: {reason}", self.spec.name)))?;
        let layers =
            self.spec.first_layers_on(self.towers.len(), index + 1).map_err(Error::wrap)?;
        let towers = self.towers.iter().zip(layers);
        let towers = towers.map(|(tower, layers)| Tower::with_parameters(layers, tower)).collect();
        Ok(Self { spec: self.spec.clone(), towers, route: Interconnect::Same })
    }
}
