//! `--checkpoint`, `--views` and `--device`: which weights to use, and how.

use std::path::PathBuf;

use alexnet_data::Views;
use alexnet_train::Checkpoint;
use anyhow::Result;

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

fn views(text: &str) -> Result<Views, &'static str> {
    match text {
        "1" => Ok(Views::One),
        "10" => Ok(Views::Ten),
        _ => Err("expected 1 or 10"),
    }
}
