//! Weights of others become checkpoints: PyTorch's files, Caffe's models, ONNX graphs, safetensors.
//!
//! A reader ([`kind`]) says which tensors a file has and where they lie ([`source`]). By their
//! names and shapes, and by the order of the layers where a file tells it, they are those of a
//! family ([`family`], [`matching`]), which says all that the file does not: the network, how
//! images were resized, cropped and became numbers, the order of the classes. What this program
//! exported says that itself ([`described`]). Only then are the numbers read ([`values`]), into the
//! memory of the result. Whatever a file says, nothing of it is executed, and memory is bounded by
//! its bytes.

pub(crate) mod caffe;
pub(crate) mod described;
pub(crate) mod family;
pub(crate) mod file;
pub(crate) mod kind;
pub(crate) mod matching;
mod mean;
mod npy;
pub(crate) mod onnx;
pub(crate) mod operation;
pub(crate) mod problem;
pub(crate) mod protobuf;
mod safetensors;
pub(crate) mod source;
pub(crate) mod torch;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alexnet_data::write_atomic;
use alexnet_model::NetworkSpec;
use candle_core::{Device, Tensor};

use self::described::{described, of_family};
use self::family::{Colors, Family};
use self::file::SourceFile;
use self::matching::Matched;
use self::problem::{Problem, quoted};
use crate::checkpoint::description::Description;
use crate::checkpoint::write::CheckpointWriter;
use crate::error::Error;

/// What a file of weights does not say.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The file of the mean image of a family that has one: Caffe's `.binaryproto`, or `.npy`
    /// `(3, H, W)`, in the family's order of colours. `None` looks for it beside the weights.
    pub mean: Option<PathBuf>,
    /// A file with a name of a class a line, in the order of the outputs.
    pub classes: Option<PathBuf>,
    /// The family the weights are of. `None` lets the file decide.
    pub family: Option<String>,
}

/// The names of the families of weights that are known.
pub fn families() -> impl Iterator<Item = &'static str> {
    Family::names()
}

/// Weights of others, with all that is needed to use them.
#[derive(Debug)]
pub struct Imported {
    /// The kind of file they come from, in words.
    pub kind: &'static str,
    /// The family they are of; `None` where the file itself describes them.
    pub family: Option<String>,
    /// Whose weights they are, in words, and where that is known from.
    pub about: String,
    /// Network, recipe, classes and preprocessing.
    pub description: Description,
    /// What was assumed, a sentence each.
    pub notes: Vec<String>,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    mean_image: Tensor, // (H, W, 3)
}

/// Reads the weights of an AlexNet from a file of another program: a PyTorch file (`.pth`, `.pt`),
/// a Caffe model (`.caffemodel`), an ONNX graph (`.onnx`), or safetensors with PyTorch's names or
/// ours.
///
/// ```no_run
/// use std::path::Path;
/// use alexnet_train::{ImportOptions, import};
///
/// let imported = import(Path::new("alexnet-owt-7be5be79.pth"), &ImportOptions::default())?;
/// assert_eq!(imported.description.network.name, "torchvision");
/// imported.write(Path::new("torchvision.safetensors"))?;
/// # Ok::<(), alexnet_train::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Weights`]: a file that is not of a known kind, is damaged, or holds code; tensors that
/// are missing, unknown or of other shapes, by name; several families that fit; a mean image or
/// classes that do not fit. [`Error::Io`] for a file that cannot be read.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, Error> {
    let at = |problem: Problem| problem.at(path);
    let mut file = SourceFile::open(path).map_err(at)?;
    let source = kind::read(&mut file).map_err(at)?;
    let text = source.description.as_deref().filter(|_| options.family.is_none());
    let settled = match text {
        Some(text) => described(&mut file, &source, text).map_err(at)?,
        None => {
            let (family, matched) =
                matching::find(&source, options.family.as_deref()).map_err(at)?;
            if !source.operations.is_empty() {
                operation::check(&source.operations, &matched.network).map_err(at)?;
            }
            operation::check_said(&source.constants, &matched.network).map_err(at)?;
            of_family(&family, matched, path, options.mean.as_deref())?
        }
    };
    let described::Settled { family, mut description, matched, mean_image, notes } = settled;
    if family.is_none() && options.mean.is_some() {
        let problem = Problem::new("it brings its own mean image");
        return Err(problem.advice("leave out --mean").at(path));
    }
    if let Some(file) = &options.classes {
        let count = description.classes.len();
        description.classes = described::classes_of(file, count)?;
    }
    let bgr = family.as_ref().is_some_and(|family| family.input.colors == Colors::Bgr);
    let tensors = read_tensors(&mut file, &source, matched, bgr).map_err(at)?;
    let size = (description.preprocessing.height, description.preprocessing.width, 3);
    Ok(Imported {
        kind: source.kind,
        about: family.as_ref().map_or_else(
            || "as the file describes them".to_owned(),
            |family| format!("{} ({})", family.about, family.source),
        ),
        family: family.map(|family| family.name),
        description,
        notes,
        path: path.to_owned(),
        tensors,
        mean_image: Tensor::from_vec(mean_image, size, &Device::Cpu)?,
    })
}

/// Reads the tensors of a network, by our names. Those of a network that takes blue first become
/// those of one that takes red first.
fn read_tensors(
    file: &mut SourceFile,
    source: &source::Source,
    matched: Matched,
    bgr: bool,
) -> problem::Result<BTreeMap<String, Tensor>> {
    let first = first_weight(&matched.network);
    let mut tensors = BTreeMap::new();
    for (name, place) in matched.tensors {
        let tensor = &source.tensors[place];
        let mut values = values::read(file, tensor)?;
        if bgr && Some(&name) == first.as_ref() {
            swap_red_and_blue(&mut values, &tensor.shape);
        }
        let made = Tensor::from_vec(values, &tensor.shape[..], &Device::Cpu);
        tensors.insert(name, made.map_err(|e| Problem::said_by(e).of(&tensor.name))?);
    }
    Ok(tensors)
}

/// The name of the weight of the layer that reads the image.
fn first_weight(network: &NetworkSpec) -> Option<String> {
    let layer = network.layers.iter().find(|layer| layer.kind.has_parameters())?;
    Some(format!("{}.weight", layer.name))
}

/// Lets a convolution's weights (O, 3, kH, kW) read red, green, blue and not blue, green, red.
fn swap_red_and_blue(values: &mut [f32], shape: &[usize]) {
    let [_, 3, height, width] = *shape else { return };
    let plane = height * width;
    for filter in values.chunks_exact_mut(3 * plane) {
        let (first, rest) = filter.split_at_mut(plane);
        first.swap_with_slice(&mut rest[plane..]);
    }
}

impl Imported {
    /// The number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.tensors.values().map(Tensor::elem_count).sum()
    }

    /// The weights and biases by name, f32, in PyTorch's layout.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Writes them as a checkpoint, whole or not at all, which
    /// [`Checkpoint::load`](crate::Checkpoint::load) reads.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] for a value that is not finite; a file that cannot be written.
    pub fn write(&self, output: &Path) -> Result<(), Error> {
        let Description { network, recipe, classes, preprocessing } = self.description.clone();
        let mean_image = self.mean_image.clone();
        let writer = CheckpointWriter { recipe, classes, preprocessing, mean_image };
        let refused = |name: &str, value: f32| {
            let problem = Problem::new(format!("a value of {} is not finite", quoted(name)));
            problem.expected("a number", value).at(&self.path)
        };
        let file = writer.file_of(output, &network, self.tensors.clone(), None, refused)?;
        Ok(write_atomic(output, |to| file.write_to(to))?)
    }
}

#[cfg(test)]
mod tests;
