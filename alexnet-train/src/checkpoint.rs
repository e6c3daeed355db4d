//! Checkpoints: weights with all that is needed to use them and to go on training, in one
//! safetensors file.
//!
//! Its tensors are every parameter by its name in PyTorch's layout; `input.mean_image`, `(H, W,
//! 3)`; and, where training can go on, `velocity.` + parameter name. Its metadata is one entry,
//! `alexnet`, a JSON object with `format`, `network`, `recipe`, `classes`, `progress`, and `crc32`,
//! the CRC-32 of each tensor's bytes by name, which is compared on reading. It is one entry because
//! the order of several is not fixed in such files, and the same run must give the same bytes. The
//! file is written under another name, synced and renamed, so it is whole or absent.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;

use alexnet_data::write_atomic;
use alexnet_kernels::ComputeDevice;
use alexnet_model::{Network, NetworkSpec};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::{SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::devices::candle_devices;
use crate::error::Error;
use crate::input::InputStage;
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::schedule::Plateau;

const FORMAT: &str = "alexnet-checkpoint 1";
const METADATA: &str = "alexnet";
const MEAN_IMAGE: &str = "input.mean_image";
const VELOCITY: &str = "velocity.";

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The epoch that is next or under way, from 0.
    pub epoch: usize,
    /// How many of its steps are done.
    pub step: usize,
    /// Sum of the losses of its images so far.
    pub loss: f64,
    /// The number of its images so far.
    pub images: usize,
    /// What the validation errors so far mean for the rates.
    pub plateau: Plateau,
}

impl Progress {
    /// The beginning of a run.
    pub(crate) const START: Self =
        Self { epoch: 0, step: 0, loss: 0.0, images: 0, plateau: Plateau::START };
}

/// The metadata of a checkpoint file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    network: NetworkSpec,
    recipe: Recipe,
    classes: Vec<String>,
    progress: Option<Progress>,
    crc32: BTreeMap<String, u32>,
}

/// The content of a checkpoint file.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network.
    pub network: NetworkSpec,
    /// The recipe the network was trained with.
    pub recipe: Recipe,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    tensors: HashMap<String, Tensor>,
    /// Where the run stood; `None` for final weights.
    pub progress: Option<Progress>,
}

impl Checkpoint {
    /// Reads a checkpoint and compares the checksum of every tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that cannot be read; [`Error::Checkpoint`] for one that is damaged
    /// or was not written by this crate.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| {
            fail(format!("not a whole safetensors file ({e}); take another checkpoint"))
        })?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| fail(e.to_string()))?;
        let header = header.metadata().as_ref().and_then(|m| m.get(METADATA)).ok_or_else(|| {
            fail("it was not written by alexnet train: it lacks its metadata".to_owned())
        })?;
        let header = read_header(header).map_err(&fail)?;
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
        let Header { network, recipe, classes, progress, .. } = header;
        Ok(Self { network, recipe, classes, tensors, progress })
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

    /// The velocities, by parameter name.
    pub(crate) fn velocities(&self) -> HashMap<String, Tensor> {
        let of = |(name, t): (&String, &Tensor)| {
            Some((name.strip_prefix(VELOCITY)?.to_owned(), t.clone()))
        };
        self.tensors.iter().filter_map(of).collect()
    }

    /// The input of this network on a device, with the mean it was trained with, and the height and
    /// width of the images it was trained on.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a file, `path`, without a mean image or with one that is smaller
    /// than the network's crops.
    pub fn input(
        &self,
        path: &Path,
        compute: &ComputeDevice,
    ) -> Result<(InputStage, [usize; 2]), Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let mean = self.tensors.get(MEAN_IMAGE);
        let mean = mean.ok_or_else(|| fail(format!("it has no `{MEAN_IMAGE}`")))?;
        let ([_, h, w], dims) = (self.network.input, mean.dims());
        let stored = match *dims {
            [rows, columns, 3] if rows >= h && columns >= w && mean.dtype() == DType::F32 => {
                [rows, columns]
            }
            _ => return Err(fail(format!("`{MEAN_IMAGE}` is {dims:?}, but crops are {h}x{w}"))),
        };
        let values = mean.flatten_all()?.to_vec1()?;
        let stage = InputStage::new(&self.recipe.input, &values, stored, [h, w], compute)?;
        Ok((stage, stored))
    }
}

/// Reads the metadata. Its format is compared first: another one may have other fields.
fn read_header(text: &str) -> Result<Header, String> {
    let unreadable = |e| format!("its metadata cannot be read: {e}");
    let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
    let found = value["format"].as_str().unwrap_or("none").to_owned();
    if found != FORMAT {
        return Err(format!(
            "its format is `{found}`, expected `{FORMAT}`: use the version of this program that \
             wrote it"
        ));
    }
    serde_json::from_value(value).map_err(unreadable)
}

/// Writes the checkpoints of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointWriter<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) classes: &'a [String],
    pub(crate) mean_image: &'a Tensor, // (H, W, 3)
}

impl CheckpointWriter<'_> {
    /// Writes final weights or, with `progress`, a checkpoint from which training can go on.
    ///
    /// A thread of its own does it: the training thread holds a `PoolGuard`, which would keep these
    /// buffers, several times as large as the weights, until the end of the run.
    pub(crate) fn save(
        &self,
        path: &Path,
        network: &Network,
        optimizer: &Optimizer,
        progress: Option<&Progress>,
    ) -> Result<(), Error> {
        let write = || {
            let mut tensors = BTreeMap::from([(MEAN_IMAGE.to_owned(), self.mean_image.clone())]);
            let [values, velocities] = optimizer.values(network)?;
            if progress.is_some() {
                let named = |(name, velocity)| (format!("{VELOCITY}{name}"), velocity);
                tensors.extend(velocities.into_iter().map(named));
            }
            tensors.extend(values);
            let header = Header {
                format: FORMAT.to_owned(),
                network: network.spec().clone(),
                recipe: self.recipe.clone(),
                classes: self.classes.to_vec(),
                progress: progress.copied(),
                crc32: tensors
                    .iter()
                    .map(|(n, t)| (n.clone(), crc32fast::hash(&t.data())))
                    .collect(),
            };
            let header = serde_json::to_string(&header).map_err(|e| Error::io(path)(e.into()))?;
            let metadata = HashMap::from([(METADATA.to_owned(), header)]);
            let bytes = safetensors::serialize(&tensors, Some(metadata))
                .map_err(|e| Error::Checkpoint { path: path.to_owned(), reason: e.to_string() })?;
            Ok(write_atomic(path, |file| file.write_all(&bytes))?)
        };
        std::thread::scope(|scope| scope.spawn(write).join()).unwrap_or_else(|p| resume_unwind(p))
    }
}
