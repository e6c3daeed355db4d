//! The kernels of a network's first convolution, which look at pixels and can be looked at.

use alexnet_data::Pixels;
use alexnet_model::{LayerKind, Network, Parameter, Role};
use candle_core::{DType, Device, Tensor};

use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// The kernels of a network's first convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernels {
    /// The name of the layer.
    pub layer: String,
    /// Height and width of a kernel.
    pub size: [usize; 2],
    /// The number of towers among which they are divided: the first ones are the first tower's.
    pub towers: usize,
    /// The weights of each, `(3, height, width)`: all of red, of green, of blue. Those of a
    /// convolution that looks at one channel come three times.
    pub weights: Vec<Vec<f32>>,
}

impl Kernels {
    /// Those of a checkpoint's network.
    ///
    /// # Errors
    ///
    /// [`Error::NoKernels`] for a network without a convolution, or whose first one does not look
    /// at pixels; a tensor that is missing or of another shape.
    pub fn first(checkpoint: &Checkpoint) -> Result<Self, Error> {
        Self::of(&checkpoint.network()?)
    }

    /// Those of a network, on any devices.
    ///
    /// # Errors
    ///
    /// [`Error::NoKernels`], as [`first`](Self::first); an error of a device.
    pub fn of(network: &Network) -> Result<Self, Error> {
        let spec = network.spec();
        let refuse = |reason: String| Error::NoKernels { network: spec.name.clone(), reason };
        let first = spec.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Conv { .. }));
        let first = first.ok_or_else(|| refuse("it has no convolution".to_owned()))?;
        let is_weight = |p: &&Parameter| p.layer == first.name && p.role == Role::Weight;
        let towers = network.parameters().filter(is_weight);
        let towers = towers.map(|p| p.tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32));
        let towers = towers.collect::<candle_core::Result<Vec<_>>>()?;
        if towers.is_empty() {
            return Err(refuse(format!("`{}` has no weights", first.name)));
        }
        let weight = Tensor::cat(&towers, 0)?;
        let (_, channels, height, width) = weight.dims4()?;
        if channels != 1 && channels != 3 {
            let reason = format!(
                "`{}`, its first convolution, looks at {channels} channels, and colours are 3",
                first.name
            );
            return Err(refuse(reason));
        }
        let rows = weight.flatten_from(1)?.to_vec2::<f32>()?;
        let coloured = |row: Vec<f32>| if channels == 1 { row.repeat(3) } else { row };
        Ok(Self {
            layer: first.name.clone(),
            size: [height, width],
            towers: if rows.len().is_multiple_of(spec.towers) { spec.towers } else { 1 },
            weights: rows.into_iter().map(coloured).collect(),
        })
    }

    /// Kernel `number` as a colour picture: grey is zero, and its largest weight is a full or an
    /// empty channel.
    pub fn picture(&self, number: usize) -> Pixels {
        let ([height, width], weights) = (self.size, self.weights.get(number));
        let weights = weights.map_or(&[][..], |weights| weights);
        let largest = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        let scale = if largest > 0.0 { 127.5 / largest } else { 0.0 };
        let plane = height * width;
        let shade = |at: usize| (127.5 + scale * weights.get(at).unwrap_or(&0.0)).round() as u8;
        let rgb = |at| [shade(at), shade(plane + at), shade(2 * plane + at)];
        Pixels::new(height, width, (0..plane).flat_map(rgb).collect())
    }
}
