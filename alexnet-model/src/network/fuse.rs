//! From the layers of the file to the layers that run.

use alexnet_kernels::{MaxPool2d, Towers};

use super::fused_layer::{FusedLayer, FusedPool};
use crate::spec::error::SpecError;
use crate::spec::shapes::ShapedLayer;
use crate::spec::{LayerKind, NetworkSpec};

impl NetworkSpec {
    /// The layers of the whole network as one device runs them.
    ///
    /// # Errors
    ///
    /// [`SpecError::Layer`] for the first layer that cannot be, and why.
    ///
    /// # Example
    ///
    /// ```
    /// # use alexnet_model::{FusedLayer, NetworkSpec, Shape};
    /// let layers = NetworkSpec::preset("original")?.fused_layers()?;
    /// assert_eq!(layers[0].output, Shape::Map(96, 55, 55));
    /// assert_eq!(layers[1].full_name(), "lrn1+pool1+relu1");
    /// assert_eq!(layers[2].full_name(), "conv2+relu2");
    /// assert_eq!(layers.iter().map(FusedLayer::parameter_count).sum::<u64>(), 60_965_224);
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn fused_layers(&self) -> Result<Vec<FusedLayer>, SpecError> {
        Ok(self.fuse(self.shapes()?.into_iter()))
    }

    /// The layers that each of so many devices runs: one device all of the network, several a tower
    /// each.
    ///
    /// # Errors
    ///
    /// [`SpecError::Towers`] where the network has another number of towers; [`SpecError::Layer`]
    /// for the first layer that cannot be, or does not divide among the towers.
    pub fn fused_layers_on(&self, devices: usize) -> Result<Vec<Vec<FusedLayer>>, SpecError> {
        self.first_layers_on(devices, self.layers.len())
    }

    /// The same of the first `count` layers of the file alone.
    pub(super) fn first_layers_on(
        &self,
        devices: usize,
        count: usize,
    ) -> Result<Vec<Vec<FusedLayer>>, SpecError> {
        let towers = match devices {
            1 => vec![self.shapes()?],
            _ if devices != self.towers => {
                let (network, towers) = (self.name.clone(), self.towers);
                return Err(SpecError::Towers { network, towers, devices });
            }
            _ => (0..devices).map(|number| self.tower(number)).collect::<Result<_, _>>()?,
        };
        let first = |layers: Vec<ShapedLayer>| layers.into_iter().take(count);
        Ok(towers.into_iter().map(|layers| self.fuse(first(layers))).collect())
    }

    /// One device's `layers`, from the first of the file on, each ReLU and each max-pooling fused
    /// into the previous layer where that takes it.
    fn fuse(&self, layers: impl Iterator<Item = ShapedLayer>) -> Vec<FusedLayer> {
        let mut fused: Vec<FusedLayer> = Vec::new();
        for (index, (spec, layer)) in self.layers.iter().zip(layers).enumerate() {
            let ShapedLayer { kind, input, output, weight, share } = layer;
            let name = spec.name.clone();
            match (kind, fused.last_mut()) {
                (LayerKind::Relu, Some(previous)) if previous.takes_relu() => {
                    previous.relu = Some(name);
                    continue;
                }
                (LayerKind::MaxPool { kernel, stride, ceil }, Some(previous))
                    if previous.takes_pool(input) =>
                {
                    let op = MaxPool2d::new(kernel, stride).ceil(ceil);
                    previous.pool = Some(FusedPool { name, op });
                    previous.output = output;
                    continue;
                }
                _ => {}
            }
            let with_weights = fused.iter().filter(|layer| layer.weight.is_some()).count();
            fused.push(FusedLayer {
                name,
                kind,
                pool: None,
                relu: None,
                index,
                input,
                output,
                share,
                first_parameter: weight.is_some().then_some(2 * with_weights),
                weight,
                all_gather: fused.last().is_some_and(|previous| previous.output != input),
                towers: Towers::TOGETHER,
                left_rest: None,
                input_grad: FusedLayer::input_grad(fused.last()),
            });
        }
        fused
    }
}
