//! A run's folder: what the run was asked to do, its log, checkpoint, final weights and report.

pub(crate) mod size;
pub(crate) mod status;

use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{
    Dataset, GivenStatistics, Lock, Statistics, remove_all_unfinished, remove_unfinished,
    write_atomic,
};
use alexnet_model::NetworkSpec;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::path_json;
use crate::recipe::Recipe;
use crate::train::pretrained::PretrainedLayers;

/// What a run was asked to do: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The dataset's folder.
    #[serde(with = "path_json")]
    pub data: PathBuf,
    /// Checksum of the dataset's manifest: a run is resumed on the data it began with.
    pub data_checksum: String,
    /// The seed of every random draw of the run.
    pub seed: u64,
    /// Every other number.
    pub recipe: Recipe,
    /// Statistics in the place of the dataset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Box<GivenStatistics>>,
    /// The layers that were not drawn but taken from a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Box<PretrainedLayers>>,
    /// The network, with as many outputs as the dataset has classes.
    pub network: NetworkSpec,
}

impl RunConfig {
    /// The statistics that are used: the dataset's, or those given in their place.
    pub(crate) fn statistics_of(&self, data: &Dataset) -> Result<Statistics, Error> {
        let own = &data.manifest().statistics;
        Ok(self.statistics.as_ref().map_or(Ok(own.clone()), |given| given.in_place_of(own))?)
    }
}

/// The folder of a run.
///
/// ```
/// use std::path::Path;
/// use alexnet_train::RunFolder;
///
/// let run = RunFolder::new(Path::new("runs/a"));
/// assert_eq!(run.weights(), Path::new("runs/a/final.safetensors"));
/// ```
#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at `path`, which may not exist yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the run was asked to do.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// The file that names the process at work here, as long as there is one.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.0.join(".run.lock")
    }

    /// Whether a run was begun here.
    pub fn is_begun(&self) -> bool {
        self.config_path().exists()
    }

    /// The latest state of the run. The file is whole or absent.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The folder of earlier states: the last few, the best, and one for each drop of the rates.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The weights at the end.
    pub fn weights(&self) -> PathBuf {
        self.0.join("final.safetensors")
    }

    /// The log, one [`Event`](crate::Event) a line as JSON; lines are only appended. A run that
    /// goes on from a checkpoint first cuts off what was logged after it; logs of earlier versions
    /// keep such lines, and their `start` lines say from which step on these no longer count.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// The log's numbers as CSV, a row for each step and each epoch.
    pub fn table(&self) -> PathBuf {
        self.0.join("log.csv")
    }

    /// The folder that TensorBoard shows.
    pub fn tensorboard(&self) -> PathBuf {
        self.0.join("tensorboard")
    }

    /// All files to which a run appends what happens: log, table and TensorBoard's event file.
    pub fn logs(&self) -> [PathBuf; 3] {
        // TensorBoard looks for `tfevents` in names. It is one file, which a resumed run goes on
        // with: several would be several curves.
        let events = self.tensorboard().join("events.out.tfevents.alexnet");
        [self.log(), self.table(), events]
    }

    /// The page for people that `alexnet report` writes.
    pub fn page(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The error rates at the end.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.json")
    }

    /// Refuses, without writing anything, what a run that begins or is resumed here would be
    /// refused for.
    pub(crate) fn check(&self, begins: bool) -> Result<(), Error> {
        if begins && self.is_begun() {
            return Err(Error::RunExists(self.0.clone()));
        }
        if let Some(holder) = Lock::holder(&self.lock_path()) {
            return Err(Error::RunBusy { run: self.0.clone(), holder });
        }
        // A file without a name shows whether files can be made.
        let folder = self.existing_folder();
        tempfile::tempfile_in(folder).map(drop).map_err(Error::io(folder))
    }

    /// The folder, or as long as it is not there the nearest one above it.
    pub(crate) fn existing_folder(&self) -> &Path {
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let mut above = self.0.ancestors().filter(named);
        above.find(|path| path.exists()).unwrap_or(Path::new("."))
    }

    /// Starts a run here, in which this process alone may write as long as it holds the lock.
    pub(crate) fn create(&self, config: &RunConfig) -> Result<RunLock, Error> {
        std::fs::create_dir_all(&self.0).map_err(Error::io(&self.0))?;
        let lock = self.lock()?;
        if self.config_path().exists() {
            return Err(Error::RunExists(self.0.clone()));
        }
        self.update(config)?;
        Ok(lock)
    }

    /// Takes the lock of the folder, and removes what killed runs have left of unfinished files.
    pub(crate) fn lock(&self) -> Result<RunLock, Error> {
        let lock = Lock::exclusive(&self.lock_path())?;
        let busy = |holder| Error::RunBusy { run: self.0.clone(), holder };
        let lock = RunLock(lock.map_err(busy)?);
        let results = [self.weights(), self.report(), self.page()];
        let files = [self.config_path(), self.checkpoint()].into_iter().chain(results);
        files.into_iter().try_for_each(|path| remove_unfinished(&path))?;
        if self.checkpoints().is_dir() {
            remove_all_unfinished(&self.checkpoints())?;
        }
        Ok(lock)
    }

    /// Writes what the run is asked to do from now on.
    pub(crate) fn update(&self, config: &RunConfig) -> Result<(), Error> {
        write_json(&self.config_path(), config)
    }

    /// Reads what the run was asked to do.
    ///
    /// # Errors
    ///
    /// [`Error::NoRun`]; [`Error::Checkpoint`] for a file that is not what a run writes.
    pub fn config(&self) -> Result<RunConfig, Error> {
        let path = self.config_path();
        if !path.exists() {
            return Err(Error::NoRun(self.0.clone()));
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text)
            .map_err(|e| Error::Checkpoint { path, reason: format!("not what a run writes: {e}") })
    }

    /// Opens the dataset that the run was trained on.
    ///
    /// # Errors
    ///
    /// Those of [`config`](Self::config); [`Error::Data`] where there is no dataset any more;
    /// [`Error::OtherDataset`] where another one has come to its place.
    pub fn dataset(&self) -> Result<Dataset, Error> {
        let config = self.config()?;
        let data = Dataset::open(&config.data)?;
        if config.data_checksum == data_checksum(&data)? {
            return Ok(data);
        }
        Err(Error::OtherDataset { run: self.0.clone(), data: config.data })
    }
}

/// The CRC-32 of a dataset's manifest, which holds the checksums of the dataset's files.
///
/// # Errors
///
/// [`Error::Io`], for a manifest that cannot be written as JSON.
pub fn data_checksum(data: &Dataset) -> Result<String, Error> {
    let manifest = serde_json::to_vec(data.manifest());
    let manifest = manifest.map_err(|e| Error::io(data.dir())(e.into()))?;
    Ok(format!("crc32:{:08x}", crc32fast::hash(&manifest)))
}

/// The right to write into a run's folder, which one process has at a time. It ends with this
/// value.
#[derive(Debug)]
pub(crate) struct RunLock(Lock);

impl Drop for RunLock {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// Writes `value` to a file that is whole or absent.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::io(path)(e.into()))?;
    Ok(write_atomic(path, |file| writeln!(file, "{text}"))?)
}
