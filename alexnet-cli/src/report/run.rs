//! All that a page says of one run.

use std::path::Path;

use alexnet_data::Dataset;
use alexnet_train::{ComputeDevice, Kernels, RunConfig, RunFolder, RunLog};
use anyhow::{Context, Result};

use super::examples::Examples;
use crate::drawing::svg::{Place, svg};
use crate::figure::checkpoint::{Loaded, checkpoint_file};
use crate::figure::kernels;
use crate::message::one_line;

/// All that a page says of one run.
pub(crate) struct RunReport {
    /// Its place among the runs of the page, from 0.
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) config: RunConfig,
    pub(crate) log: RunLog,
    /// The dataset, or why there is none.
    pub(crate) data: Result<Dataset, String>,
    /// The kernels as SVG, or why there are none.
    pub(crate) kernels: Result<String, String>,
    /// Predictions and confusions, or why there are none.
    pub(crate) examples: Result<Examples, String>,
}

impl RunReport {
    /// Reads a run, and lets its network look at validation images. Only a folder that holds no
    /// run is an error.
    pub(crate) fn new(
        number: usize,
        name: String,
        path: &Path,
        devices: &[ComputeDevice],
    ) -> Result<Self> {
        let run = RunFolder::new(path);
        let config = run.config()?;
        let log = if run.log().exists() { RunLog::read(&run)? } else { RunLog::default() };
        let data = reason(run.dataset().context("the dataset"));
        let loaded = reason(checkpoint_file(path).and_then(|file| Loaded::new(file, devices)));
        let kernels = loaded.as_ref().map_err(Clone::clone).and_then(|loaded| {
            let drawing = kernels::draw(&reason(Kernels::first(&loaded.checkpoint))?);
            Ok(svg(&drawing, Place::Page, drawing.width))
        });
        let examples = match (&loaded, &data) {
            (Ok(loaded), Ok(data)) => reason(Examples::new(loaded, data)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
        };
        Ok(Self { number, name, config, log, data, kernels, examples })
    }
}

/// An error as the sentence in the place of what cannot be made.
fn reason<T, E: Into<anyhow::Error>>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| one_line(&error.into()))
}
