//! `alexnet logits`: logits, a layer's outputs, and gradients, for people who compare
//! implementations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alexnet_data::AtomicFile;
use alexnet_model::nearest;
use alexnet_train::{FeatureImages, gradients};
use anyhow::{Context, Result, ensure};

use crate::device::DeviceArguments;
use crate::figure::checkpoint::Loaded;
use crate::images::{ImageArguments, paths};
use crate::layer_output::{LayerOutput, about};
use crate::numbers::{THREADS, cores, within};
use crate::output::Report;
use crate::weights;

/// Write the logits of images, any layer's outputs, or the loss's gradients, to compare them with
/// those of another implementation. The network sees the centre crop, and dropout drops nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors
    #[arg(long, value_name = "RUN|FILE")]
    checkpoint: PathBuf,
    #[command(flatten)]
    images: ImageArguments,
    /// Any layer of the network's file, by its name there [default: the last, whose outputs are the
    /// logits]
    #[arg(long, requires = "output")]
    layer: Option<String>,
    /// NAME.npy; or NAME.safetensors, with the tensor `logits`, or another layer's by its name, and
    /// with metadata. Rows are in the order of the images
    #[arg(long, value_name = "FILE", required_unless_present = "gradients")]
    output: Option<PathBuf>,
    /// NAME.safetensors for the gradient of the mean softmax cross-entropy of the images with
    /// respect to every parameter, by the parameter's name and in PyTorch's layout
    #[arg(long, value_name = "FILE", requires = "labels")]
    gradients: Option<PathBuf>,
    /// The class of each image for --gradients, in their order: its name, or its number from 0
    #[arg(long, value_delimiter = ',', value_name = "CLASS,…", requires = "gradients")]
    labels: Vec<String>,
    /// Threads that read images; the result does not depend on it [default: one for each core]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    loader_threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.images.check()?;
    let gradients = arguments.gradients.as_deref();
    gradients.map(check_gradients).transpose()?;
    let loaded = Loaded::new(weights::file(&arguments.checkpoint)?, &arguments.device.open_all()?)?;
    let checkpoint = &loaded.checkpoint;
    let files = arguments.images.all()?;
    let labels = labels(&arguments.labels, &checkpoint.classes)?;
    let images = FeatureImages::Files(&files, checkpoint.preprocessing);
    let loader_threads = arguments.loader_threads.unwrap_or_else(cores);
    let metadata = BTreeMap::from([("images".to_owned(), paths(&files)?)]);
    if let Some(output) = &arguments.output {
        let last = checkpoint.network.layers.last().context("the network has no layers")?;
        let layer = arguments.layer.as_deref().unwrap_or(&last.name);
        let tensor = if layer == last.name { "logits" } else { layer };
        let (loaded, metadata) = (&loaded, metadata.clone());
        LayerOutput { loaded, layer, tensor, images, labels: None, metadata, loader_threads }
            .write(output)?;
    }
    match gradients {
        Some(path) => write_gradients(path, &loaded, images, &labels, metadata, loader_threads),
        None => Ok(()),
    }
}

/// Refuses a file that cannot be written, before anything is computed.
fn check_gradients(path: &Path) -> Result<()> {
    let is_safetensors = path.extension().is_some_and(|ending| ending == "safetensors");
    let name = path.display();
    ensure!(is_safetensors, "--gradients {name}: expected a name that ends in .safetensors");
    drop(AtomicFile::create(path)?); // it vanishes
    Ok(())
}

/// The classes that these words name: a class's name, or its number.
fn labels(words: &[String], classes: &[String]) -> Result<Vec<u32>> {
    let label = |word: &String| {
        let named = classes.iter().position(|name| name == word);
        let number = || word.parse().ok().filter(|number| *number < classes.len());
        let label = named.or_else(number).with_context(|| {
            let near = nearest(word, classes.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            let last = classes.len().saturating_sub(1);
            format!("--labels: there is no class `{word}`{near}; expected a name, or 0 to {last}")
        })?;
        Ok(u32::try_from(label)?)
    };
    words.iter().map(label).collect()
}

fn write_gradients(
    path: &Path,
    loaded: &Loaded,
    images: FeatureImages<'_>,
    labels: &[u32],
    metadata: BTreeMap<String, String>,
    loader_threads: usize,
) -> Result<()> {
    let Loaded { network, inputs, .. } = loaded;
    let found = gradients(network, images, labels, inputs, loader_threads)?;
    let loss = found.loss;
    let (parameters, count) = (found.tensors.len(), labels.len());
    let own = [
        ("labels".to_owned(), serde_json::to_string(labels)?),
        ("loss".to_owned(), loss.to_string()),
    ];
    let metadata = about(loaded).into_iter().chain(metadata).chain(own).collect();
    found.write(path, &metadata)?;
    let name = path.display();
    writeln!(Report, "loss {loss:.6} of {count} images; {parameters} gradients: {name}")?;
    Ok(())
}
