//! A run's folder: what it was asked to do, its log, its checkpoint, its final weights and its report.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, write_atomic};
use alexnet_model::NetworkSpec;
use serde::{Deserialize, Serialize};

use crate::{Error, Event, Recipe};

/// What a run was asked to do: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The dataset's folder.
    pub data: PathBuf,
    /// Checksum of the dataset's manifest: a run is resumed on the data it began with.
    pub data_checksum: String,
    /// Every random draw of the run follows from it.
    pub seed: u64,
    /// Every other number.
    pub recipe: Recipe,
    /// The network, with as many outputs as the dataset has classes.
    pub network: NetworkSpec,
}

/// The folder of a run.
#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    const CONFIG: &str = "run.json";

    /// The folder at `path`, which may not exist yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The latest state of the run, whole or not there.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The weights at the end.
    pub fn weights(&self) -> PathBuf {
        self.0.join("final.safetensors")
    }

    /// One JSON object a line ([`Event`]), only ever added to. A `start` line says from which step on the lines
    /// before it no longer count: a run that was killed had gone on behind its checkpoint.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// The error rates at the end.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.json")
    }

    /// Starts a run here.
    pub(crate) fn create(&self, config: &RunConfig) -> Result<(), Error> {
        if self.0.join(Self::CONFIG).exists() {
            return Err(Error::RunExists { run: self.0.clone() });
        }
        std::fs::create_dir_all(&self.0).map_err(Error::io(&self.0))?;
        self.write_json(&self.0.join(Self::CONFIG), config)
    }

    /// Goes on with a run here that may have been asked for something else.
    pub(crate) fn update(&self, config: &RunConfig) -> Result<(), Error> {
        self.write_json(&self.0.join(Self::CONFIG), config)
    }

    /// What the run that began here was asked to do.
    ///
    /// # Errors
    ///
    /// [`Error::NoRun`] when none did; [`Error::Checkpoint`] when its file cannot be understood.
    pub fn config(&self) -> Result<RunConfig, Error> {
        let path = self.0.join(Self::CONFIG);
        if !path.exists() {
            return Err(Error::NoRun { run: self.0.clone(), missing: Self::CONFIG });
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text)
            .map_err(|e| Error::Checkpoint { path, reason: format!("not what a run writes: {e}") })
    }

    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Error::io(path)(e.into()))?;
        Ok(write_atomic(path, |file| writeln!(file, "{text}"))?)
    }
}

/// A run's log, open for adding.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    pub(crate) fn open(run: &RunFolder) -> Result<Self, Error> {
        let path = run.log();
        // A run that was killed may have left half a line; it must not swallow the next one.
        let cut = std::fs::read(&path).is_ok_and(|text| text.last().is_some_and(|b| *b != b'\n'));
        let mut file =
            OpenOptions::new().append(true).create(true).open(&path).map_err(Error::io(&path))?;
        if cut {
            file.write_all(b"\n").map_err(Error::io(&path))?;
        }
        Ok(Self { file, path })
    }

    /// Adds one line, in one write.
    pub(crate) fn add(&mut self, event: &Event) -> Result<(), Error> {
        let mut line = serde_json::to_vec(event).map_err(|e| Error::io(&self.path)(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io(&self.path))
    }
}

/// What a run remembers its dataset by: the CRC-32 of its manifest, which holds those of its files.
pub(crate) fn data_checksum(data: &Dataset) -> Result<String, Error> {
    let manifest =
        serde_json::to_vec(data.manifest()).map_err(|e| Error::io(data.dir())(e.into()))?;
    Ok(format!("crc32:{:08x}", crc32fast::hash(&manifest)))
}
