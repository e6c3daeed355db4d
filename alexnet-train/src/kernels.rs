//! The kernels of a network's first convolution, which look at pixels and can be looked at.

use alexnet_model::LayerKind;

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
        let spec = &checkpoint.network;
        let refuse = |reason: String| Error::NoKernels { network: spec.name.clone(), reason };
        let first = spec.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Conv { .. }));
        let first = first.ok_or_else(|| refuse("it has no convolution".to_owned()))?;
        let tensors = checkpoint.network()?.tensors()?;
        let weight = tensors.get(&format!("{}.weight", first.name));
        let weight = weight.ok_or_else(|| refuse(format!("`{}` has no weights", first.name)))?;
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
}
