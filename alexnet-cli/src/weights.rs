//! `--checkpoint`, `--views` and `--device`: which weights to use, and how.

use std::path::{Path, PathBuf};

use alexnet_data::Views;
use alexnet_train::{Checkpoint, RunFolder};
use anyhow::{Result, bail};

use crate::device::DeviceArguments;
use crate::file;

/// Weights to use, and how
#[derive(Debug, clap::Args)]
pub(crate) struct WeightsArguments {
    /// final.safetensors or checkpoint.safetensors of a run
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// 1: the centre; 10: corners, centre and their mirror images, averaged
    #[arg(long, default_value = "1", value_parser = views)]
    pub(crate) views: Views,
    #[command(flatten)]
    pub(crate) device: DeviceArguments,
}

impl WeightsArguments {
    /// Reads the checkpoint.
    pub(crate) fn load(&self) -> Result<Checkpoint> {
        file::check_regular(&self.checkpoint)?;
        Ok(Checkpoint::load(&self.checkpoint)?)
    }
}

/// The file of weights that an argument names: itself or, of the folder of a run, its final weights
/// or else its checkpoint.
pub(crate) fn file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        file::check_regular(path)?;
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

fn views(text: &str) -> Result<Views, &'static str> {
    match text {
        "1" => Ok(Views::One),
        "10" => Ok(Views::Ten),
        _ => Err("expected 1 or 10"),
    }
}
