//! The checkpoint files of a run: the newest, and those that are kept beside it.
//!
//! `checkpoint.safetensors` is the newest. The last few are in the folder `checkpoints` too, named
//! by how far the run was, as `epoch-012-step-000340.safetensors` (12 epochs and 340 steps were
//! done). `best.safetensors` there is that of the lowest validation error, and
//! `drop-1.safetensors` the last before the rates were lowered for the first time. Where the file
//! system has hard links, these are names of the same files.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use alexnet_data::{link_atomic, write_atomic};

use super::Checkpoint;
use crate::error::Error;
use crate::run::RunFolder;

/// Why a checkpoint is kept for longer than those around it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    /// It has the lowest validation error so far.
    pub(crate) best: bool,
    /// It is the last before the rates are lowered for the n-th time, from 1.
    pub(crate) drop: Option<usize>,
}

/// How far a run was: epochs, and steps of the next one. Later ones are greater.
type Position = (usize, usize);

/// The checkpoint files of a run, of which this process is the one writer.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointFiles {
    pub(crate) run: RunFolder,
    /// How many of the last ones are kept, at least 1.
    pub(crate) keep: usize,
}

impl CheckpointFiles {
    /// Makes the newest checkpoint of what `write` writes, and then removes what is no longer kept.
    /// After an error the older ones are as they were.
    pub(crate) fn write(
        &self,
        at: Position,
        kept: Kept,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), Error> {
        let folder = self.run.checkpoints();
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let path = folder.join(name(at));
        write_atomic(&path, write)?;
        link_atomic(&path, &self.run.checkpoint())?;
        if kept.best {
            link_atomic(&path, &folder.join("best.safetensors"))?;
        }
        if let Some(number) = kept.drop {
            link_atomic(&path, &folder.join(format!("drop-{number}.safetensors")))?;
        }
        // Those beyond this one are damaged, or of steps that the run has gone back from.
        let (beyond, mut old): (Vec<_>, Vec<_>) =
            last(&folder)?.into_iter().partition(|(position, _)| *position > at);
        let old = old.split_off(self.keep.min(old.len()));
        let remove = |(_, path): (_, PathBuf)| fs::remove_file(&path).map_err(Error::io(&path));
        beyond.into_iter().chain(old).try_for_each(remove)
    }

    /// The newest checkpoint of a run that is whole, and the errors of those after it.
    ///
    /// # Errors
    ///
    /// That of the newest, if there are some and none is whole.
    pub(crate) fn newest(run: &RunFolder) -> Result<(Option<Checkpoint>, Vec<Error>), Error> {
        let mut errors = Vec::new();
        for path in Self::all(run)? {
            match Checkpoint::load(&path) {
                Ok(checkpoint) => return Ok((Some(checkpoint), errors)),
                Err(error) => errors.push(error),
            }
        }
        errors.into_iter().next().map_or(Ok((None, Vec::new())), Err)
    }

    /// All that are there, the newest first.
    fn all(run: &RunFolder) -> Result<Vec<PathBuf>, Error> {
        let folder = run.checkpoints();
        let mut paths = vec![run.checkpoint()];
        paths.extend(last(&folder)?.into_iter().map(|(_, path)| path));
        paths.push(folder.join("best.safetensors"));
        paths.retain(|path| path.exists());
        Ok(paths)
    }
}

/// The name of the checkpoint at a position.
fn name((epoch, step): Position) -> String {
    format!("epoch-{epoch:03}-step-{step:06}.safetensors")
}

/// The position of which a checkpoint has the name.
fn position(path: &Path) -> Option<Position> {
    let name = path.file_name()?.to_str()?;
    let numbers = name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?;
    let (epoch, step) = numbers.split_once("-step-")?;
    Some((epoch.parse().ok()?, step.parse().ok()?))
}

/// The checkpoints that are named by their position, the newest first.
fn last(folder: &Path) -> Result<Vec<(Position, PathBuf)>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(folder))?.path();
        found.extend(position(&path).map(|position| (position, path)));
    }
    found.sort();
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests;
