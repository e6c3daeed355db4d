//! Checkpoints: weights with all that is needed to use them and to go on training, in one
//! safetensors file.
//!
//! Its tensors are every parameter by its name in PyTorch's layout; `input.mean_image`, `(H, W,
//! 3)`; and, where training can go on, `velocity.` + parameter name. Its metadata is one entry,
//! `alexnet`, a JSON object with `checksum`, the CRC-32 of the file's header; `format`, `network`,
//! `recipe`, `classes`, `preprocessing`, `progress`; and `crc32`, the CRC-32 of each tensor's bytes
//! by name. So every byte of the file is under a checksum, which is compared on reading. It is one
//! entry because the order of several is not fixed in such files, and the same run must give the
//! same bytes. The file is written under another name, synced and renamed, so that it is whole or
//! absent.

pub(crate) mod description;
pub(crate) mod files;
pub(crate) mod header;
pub(crate) mod progress;
pub(crate) mod write;

use std::collections::HashMap;
use std::path::Path;

use alexnet_data::Preprocessing;
use alexnet_kernels::ComputeDevice;
use alexnet_model::{Network, NetworkSpec};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use crate::checkpoint::description::Description;
use crate::checkpoint::header::Header;
use crate::checkpoint::progress::{LogOffsets, Progress};
use crate::devices::candle_devices;
use crate::error::Error;
use crate::input::InputStage;
use crate::recipe::Recipe;

/// The name of the tensor of the mean image, (H, W, 3).
pub(crate) const MEAN_IMAGE: &str = "input.mean_image";
const VELOCITY: &str = "velocity.";

/// The content of a checkpoint file.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network.
    pub network: NetworkSpec,
    /// The recipe the network was trained with.
    pub recipe: Recipe,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// How the files of its training images became pixels.
    pub preprocessing: Preprocessing,
    /// The checksum of the file's header, which has that of every tensor.
    pub checksum: String,
    tensors: HashMap<String, Tensor>,
    /// Where the run stood; `None` for final weights.
    pub progress: Option<Progress>,
    /// The bytes of each log of the run at that time.
    pub(crate) logs: LogOffsets,
}

impl Checkpoint {
    /// Weights that no file holds yet: `tensors` has every parameter by its name in PyTorch's
    /// layout, as [`Network::tensors`] gives them, and `mean_image`, `(H, W, 3)`, is that of the
    /// stored images. The checksum is empty.
    pub fn new(
        description: Description,
        mut tensors: HashMap<String, Tensor>,
        mean_image: Tensor,
    ) -> Self {
        let Description { network, recipe, classes, preprocessing } = description;
        tensors.insert(MEAN_IMAGE.to_owned(), mean_image);
        let (checksum, progress, logs) = (String::new(), None, LogOffsets::new());
        Self { network, recipe, classes, preprocessing, checksum, tensors, progress, logs }
    }

    /// Reads a checkpoint and compares the checksums of its header and of every tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that cannot be read; [`Error::Checkpoint`] for one that is damaged
    /// or was not written by this crate.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let metadata = std::fs::metadata(path).map_err(Error::io(path))?;
        if !metadata.is_file() {
            // A pipe or a device may have no end.
            return Err(fail("it is no file; give a checkpoint of a run".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let header = Header::read(&bytes).map_err(&fail)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| {
            fail(format!("not a whole safetensors file ({e}); take another checkpoint"))
        })?;
        let mut tensors = HashMap::new();
        for (name, view) in file.iter() {
            let (got, expected) = (crc32fast::hash(view.data()), header.crc32.get(name));
            if expected != Some(&got) {
                let expected = expected.unwrap_or(&0);
                return Err(fail(format!(
                    "tensor `{name}` is damaged: its checksum is {got:08x}, expected \
                     {expected:08x}; take another checkpoint"
                )));
            }
            tensors.insert(name.to_owned(), view.load(&Device::Cpu)?);
        }
        let Header { checksum, network, recipe, classes, preprocessing, progress, logs, .. } =
            header;
        Ok(Self { network, recipe, classes, preprocessing, checksum, tensors, progress, logs })
    }

    /// The network with its weights in f32, in the host's memory.
    ///
    /// # Errors
    ///
    /// A tensor that is missing or of another shape.
    pub fn network(&self) -> Result<Network, Error> {
        Ok(Network::from_tensors(&self.network, &self.tensors)?)
    }

    /// The network on one device, or on one for each of its towers, with weights of the dtype that
    /// matmuls read there.
    ///
    /// # Errors
    ///
    /// A tensor that is missing or of another shape; another number of devices than of towers; a
    /// device without enough memory.
    pub fn network_on(&self, devices: &[ComputeDevice]) -> Result<Network, Error> {
        self.network.fused_layers_on(devices.len())?; // the clearer error
        Ok(self.network()?.to_devices(&candle_devices(devices), devices[0].activations())?)
    }

    /// The weight and the bias of a layer, in PyTorch's layout.
    pub(crate) fn parameters(&self, layer: &str) -> [Option<&Tensor>; 2] {
        ["weight", "bias"].map(|part| self.tensors.get(&format!("{layer}.{part}")))
    }

    /// The mean image `(H, W, 3)`, where it is one of the size of the images.
    pub(crate) fn mean_image(&self) -> Option<&Tensor> {
        let Preprocessing { height, width, .. } = self.preprocessing;
        let fits = |it: &&Tensor| it.dims() == [height, width, 3] && it.dtype() == DType::F32;
        self.tensors.get(MEAN_IMAGE).filter(fits)
    }

    /// The velocities, by parameter name.
    pub(crate) fn velocities(&self) -> HashMap<String, Tensor> {
        let of = |(name, t): (&String, &Tensor)| {
            Some((name.strip_prefix(VELOCITY)?.to_owned(), t.clone()))
        };
        self.tensors.iter().filter_map(of).collect()
    }

    /// The input of this network on a device, with the mean it was trained with.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a file, `path`, without a mean image of the size of its training
    /// images, or with one that is smaller than the network's crops.
    pub fn input(&self, path: &Path, compute: &ComputeDevice) -> Result<InputStage, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let mean = self.tensors.get(MEAN_IMAGE);
        let mean = mean.ok_or_else(|| fail(format!("it has no `{MEAN_IMAGE}`")))?;
        let ([_, h, w], dims) = (self.network.input, mean.dims());
        let Preprocessing { height, width, .. } = self.preprocessing;
        if dims != [height, width, 3] || mean.dtype() != DType::F32 || height < h || width < w {
            return Err(fail(format!(
                "`{MEAN_IMAGE}` is {dims:?}, but images are {height}x{width} and crops {h}x{w}"
            )));
        }
        let (values, stored) = (mean.flatten_all()?.to_vec1()?, [height, width]);
        Ok(InputStage::new(&self.recipe.input, &values, stored, [h, w], compute)?)
    }
}
