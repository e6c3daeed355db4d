//! `--checkpoint`, `--views` and `--device`: which weights to use, and how.

use std::path::{Path, PathBuf};

use alexnet_data::Views;
use alexnet_train::{Checkpoint, RunFolder};
use anyhow::{Result, bail};

use crate::device::DeviceArguments;
use crate::file::check_regular;

/// The help of `--views`.
pub(crate) const VIEWS: &str = "Views of each image whose probabilities are averaged: 1, the \
    centre; 2, centre and its mirror image; 9, a grid of 3 x 3; 10, corners, centre and their \
    mirror images, as in the paper; all, the crop at every offset and all mirrored (2,178 for \
    224 of 256 pixels)";

/// Weights to use, and how
#[derive(Debug, clap::Args)]
pub(crate) struct WeightsArguments {
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors
    #[arg(long, value_name = "RUN|FILE")]
    pub(crate) checkpoint: PathBuf,
    #[arg(long, default_value = "1", value_parser = views, help = VIEWS)]
    pub(crate) views: Views,
    #[command(flatten)]
    pub(crate) device: DeviceArguments,
}

impl WeightsArguments {
    /// Reads the checkpoint.
    pub(crate) fn load(&self) -> Result<Checkpoint> {
        load(&file(&self.checkpoint)?)
    }
}

/// The file of weights that an argument names: itself or, of the folder of a run, its final weights
/// or else its checkpoint.
pub(crate) fn file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        check_regular(path)?;
        return Ok(path.to_owned());
    }
    let run = RunFolder::new(path);
    match [run.weights(), run.checkpoint()].into_iter().find(|file| file.exists()) {
        Some(file) => Ok(file),
        None => bail!(
            "{} is a folder without final.safetensors or checkpoint.safetensors: expected a run \
             that has trained, or such a file",
            path.display()
        ),
    }
}

/// Reads the weights of a file.
pub(crate) fn load(path: &Path) -> Result<Checkpoint> {
    check_regular(path)?;
    Ok(Checkpoint::load(path)?)
}

/// The views that a word of `--views` stands for.
pub(crate) fn views(text: &str) -> Result<Views, &'static str> {
    match text {
        "1" => Ok(Views::One),
        "2" => Ok(Views::Two),
        "9" => Ok(Views::Nine),
        "10" => Ok(Views::Ten),
        "all" => Ok(Views::All),
        _ => Err("expected 1, 2, 9, 10 or all"),
    }
}
