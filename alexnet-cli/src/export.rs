//! `alexnet export`: weights in the formats of other programs.

use std::path::PathBuf;

use alexnet_train::{ExportFormat, export};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use indicatif::DecimalBytes;

use crate::output::Report;
use crate::weights;

/// Write weights in the format of another program, with all that is needed to use them there and to
/// read them back
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors
    #[arg(value_name = "RUN|FILE")]
    checkpoint: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    to: Format,
    /// The file, or for hf the folder
    #[arg(long, value_name = "PATH")]
    output: PathBuf,
    /// With onnx: the graph takes pictures, RGB bytes (N, 3, height, width) of the size of the
    /// stored images; crop, mean and scale are in the graph
    #[arg(long)]
    with_input: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A graph for onnxruntime and others; input `input`, what the network takes, output `logits`
    Onnx,
    /// Named tensors and a description
    Safetensors,
    /// A state dict for torch.load, and a module file beside it, NAME.py; torchvision's names for
    /// its own alexnet
    Torch,
    /// A folder for the Hugging Face Hub: model.safetensors, config.json, README.md
    Hf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { checkpoint, to, output, with_input } = arguments;
    let format = match to {
        Format::Onnx => ExportFormat::Onnx { with_input: *with_input },
        _ if *with_input => bail!(
            "--with-input is for --to onnx: weights of other formats have no preprocessing; \
             leave it out"
        ),
        Format::Safetensors => ExportFormat::Safetensors,
        Format::Torch => ExportFormat::Torch,
        Format::Hf => ExportFormat::HuggingFace,
    };
    let file = weights::file(checkpoint)?;
    for path in export(&weights::load(&file)?, &file, format, output)? {
        let length = path.metadata().with_context(|| path.display().to_string())?.len();
        writeln!(Report, "{}: {}", path.display(), DecimalBytes(length))?;
    }
    Ok(())
}
