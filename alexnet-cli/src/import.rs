//! `alexnet import`: weights of other programs become a checkpoint.

use std::path::PathBuf;

use alexnet_data::check_replaceable;
use alexnet_train::{ImportOptions, families, import};
use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::output::{Report, complain};

/// Make a checkpoint of the weights of an AlexNet that another program wrote: torchvision's .pth,
/// Caffe's bvlc_alexnet and bvlc_reference_caffenet (.caffemodel), an ONNX graph, or safetensors.
/// How images are resized and become numbers, and the order of the classes, come along
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file; its kind and whose weights they are is found from what is in it
    #[arg(value_name = "FILE")]
    weights: PathBuf,
    /// The checkpoint, as NAME.safetensors
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The mean image of Caffe's weights, .binaryproto or .npy [default: imagenet_mean.binaryproto
    /// beside them, or else the published means of its channels]
    #[arg(long, value_name = "FILE")]
    mean: Option<PathBuf>,
    /// The names of the classes, one a line in the order of the outputs [default: the WordNet ids
    /// of ImageNet's 1,000; of any other number, numbers]
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Whose weights they are, where the file does not tell
    #[arg(long = "as", value_name = "FAMILY", value_parser = PossibleValuesParser::new(families()))]
    family: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { weights, output, mean, classes, family } = arguments;
    check_replaceable(output)?;
    let options =
        ImportOptions { mean: mean.clone(), classes: classes.clone(), family: family.clone() };
    let imported = import(weights, &options)?;
    imported.write(output)?;
    for note in &imported.notes {
        complain(&format!("note: {note}"));
    }
    let network = &imported.description.network;
    writeln!(
        Report,
        "{}: {}, {}: network {}, {} classes, {} parameters: {}",
        weights.display(),
        imported.kind,
        imported.about,
        network.name,
        imported.description.classes.len(),
        imported.parameter_count(),
        output.display()
    )?;
    Ok(())
}
