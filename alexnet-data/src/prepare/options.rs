//! What to prepare, and how.

use super::source::Source;
use crate::decode::exif::Exif;
use crate::decode::limits::MAX_PIXELS;
use crate::decode::resample::Resample;
use crate::decode::square::Crop;
use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::header::MAX_SIDE;
use std::path::{Path, PathBuf};

/// The most records a shard may have: the sums of their pixels then fit into 32 bits.
const MAX_SHARD_RECORDS: usize = 1 << 24;

/// The pixels of the largest JPEG there can be: 65535 squared.
const LARGEST: usize = 65535 * 65535;

/// What to prepare, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// The kind of the input.
    pub source: Source,
    /// The folder with the images or archives. For [`Source::Folder`] it is the train tree; without
    /// `val` it may also be a folder that holds the trees `train`, `val` and `test`, two of them at
    /// least. They may have their other usual names: `training`, `valid`, `validation`, `eval`,
    /// `dev`, `testing`, in any case.
    pub input: PathBuf,
    /// The validation tree; only for [`Source::Folder`].
    pub val: Option<PathBuf>,
    /// The folder to write: new, empty, or with an unfinished run of this very preparation; for
    /// [`Source::Folder`], not inside the input.
    pub output: PathBuf,
    /// The side of the stored images, 1 to 4096 pixels.
    pub size: usize,
    /// The number of decoding threads; 0 for one a core. The output does not depend on it.
    pub threads: usize,
    /// Whether it is an error if an image is unreadable, damaged or not taken, if a folder or
    /// archive of the input is not used, or if a class has no train image.
    pub strict: bool,
    /// Images of the input for each shard; `None` for as many as make 1 GiB of raw pixels. A shard
    /// lacks those that cannot be read.
    pub shard_records: Option<usize>,
    /// How images are resized.
    pub resample: Resample,
    /// Which part of an image is kept.
    pub crop: Crop,
    /// What to do with EXIF orientation, which is ignored by default, as in 2012.
    pub exif: Exif,
    /// The most pixels of an image file; larger ones are skipped. Memory and time of an image are
    /// limited in proportion: 4 bytes for each of these pixels.
    pub max_pixels: usize,
    /// Raw pixels, JPEG, or as much of each as a budget allows.
    pub encoding: Encoding,
}

impl PrepareOptions {
    /// The default options: no val tree, the size of the source, all cores, not strict, shards of
    /// 1 GiB, resized by area to the central square, [`MAX_PIXELS`], raw pixels.
    pub fn new(source: Source, input: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            source,
            input: input.into(),
            val: None,
            output: output.into(),
            size: source.default_size(),
            threads: 0,
            strict: false,
            shard_records: None,
            resample: Resample::default(),
            crop: Crop::default(),
            exif: Exif::Ignore,
            max_pixels: MAX_PIXELS,
            encoding: Encoding::Raw,
        }
    }

    /// Refuses an output inside the input: its shards would be files of the input when the same
    /// call goes on, and its folder a class.
    fn check_output(&self) -> Result<()> {
        for input in [Some(&self.input), self.val.as_ref()].into_iter().flatten() {
            // An input that cannot be read is an error of its own.
            let Ok(inside) = input.canonicalize() else { continue };
            if whole_path(&self.output).starts_with(inside) {
                let problem = format!("lies inside the input {}: give another", input.display());
                return Err(Error::source(&self.output, problem));
            }
        }
        Ok(())
    }

    /// Refuses what no preparation could do.
    pub(super) fn check(&self) -> Result<()> {
        let size = self.size;
        Error::check((1..=MAX_SIDE).contains(&size), "size", "1 to 4096", &size)?;
        let records = self.shard_records.unwrap_or(1);
        let right = (1..=MAX_SHARD_RECORDS).contains(&records);
        Error::check(right, "shard_records", "1 to 16777216", &records)?;
        let right = (1..=LARGEST).contains(&self.max_pixels);
        Error::check(right, "max_pixels", "1 to 4294836225", &self.max_pixels)?;
        if let Encoding::Jpeg { quality } | Encoding::Budget { quality, .. } = self.encoding {
            Error::check((1..=100).contains(&quality), "quality", "1 to 100", &quality)?;
        }
        if let Some(val) = &self.val {
            let expected = "nothing: this source has its own val split";
            Error::check(self.source == Source::Folder, "val", expected, &val.display())?;
        }
        match self.source {
            Source::Folder | Source::Demo => self.check_output(),
            _ => Ok(()), // archives are read by their names, wherever the output is
        }
    }
}

/// The path without links in it, where the last folders of it may not be there yet.
fn whole_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let found = path.ancestors().find_map(|dir| Some((dir, dir.canonicalize().ok()?)));
    let Some((dir, whole)) = found else { return path };
    whole.join(path.strip_prefix(dir).unwrap_or(Path::new("")))
}
