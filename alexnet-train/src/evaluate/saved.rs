//! Files of probabilities: written while a split is evaluated, read while files are combined, a few
//! images at a time.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, Split, write_atomic};

use super::saved_header::{ProbabilitiesInfo, crc32_text, header, length, read};
use crate::error::Error;
use crate::run::data_checksum;

const DAMAGED: &str = "its content is damaged; save the probabilities again";

/// Writes the file `path`, whole or not at all: `evaluate` gives the writer the probabilities of
/// all images, and its result is returned. What is in memory does not grow with the images, but for
/// their `labels`.
///
/// # Errors
///
/// A file that cannot be written; another number of probabilities than `info` and `labels` say;
/// whatever `evaluate` refuses.
pub fn save_probabilities<T>(
    path: &Path,
    info: &ProbabilitiesInfo,
    labels: &[u32],
    evaluate: impl FnOnce(&mut ProbabilitiesWriter<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut failed = None;
    let written = write_atomic(path, |file| {
        write(path, info, labels, file, evaluate).map_err(|error| {
            failed = Some(error);
            io::Error::other("not written to the end")
        })
    });
    failed.map_or_else(|| Ok(written?), Err)
}

fn write<T>(
    path: &Path,
    info: &ProbabilitiesInfo,
    labels: &[u32],
    file: &mut File,
    evaluate: impl FnOnce(&mut ProbabilitiesWriter<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let fail = |reason| Error::Checkpoint { path: path.to_owned(), reason };
    let header = |crc32| header(info, labels.len(), crc32).map_err(fail);
    let left = labels.len() * info.classes.len(); // no overflow, or there would be no header
    let first = header(0)?;
    let (hasher, file) = (crc32fast::Hasher::new(), BufWriter::with_capacity(1 << 20, file));
    let mut writer = ProbabilitiesWriter { path, file, hasher, left };
    writer.file.write_all(&first).map_err(Error::io(path))?;
    writer.put(labels.iter().flat_map(|label| label.to_le_bytes()).collect())?;
    let value = evaluate(&mut writer)?;
    if writer.left > 0 {
        return Err(fail(format!("{} probabilities are missing at its end", writer.left)));
    }
    let last = header(writer.hasher.clone().finalize())?;
    let rewound = writer.file.rewind(); // after it has written what it holds
    rewound.and_then(|()| writer.file.write_all(&last)).map_err(Error::io(path))?;
    writer.file.flush().map_err(Error::io(path))?;
    Ok(value)
}

/// Takes the probabilities of one image after another.
#[derive(Debug)]
pub struct ProbabilitiesWriter<'a> {
    path: &'a Path,
    file: BufWriter<&'a mut File>,
    hasher: crc32fast::Hasher,
    left: usize,
}

impl ProbabilitiesWriter<'_> {
    /// Writes the probabilities of the next B images, `(B, classes)`, rounded to f32: seven digits,
    /// and fewer of those below 1e-38.
    ///
    /// # Errors
    ///
    /// A file that cannot be written; more probabilities than there are images.
    pub fn add(&mut self, probabilities: &[f64]) -> Result<(), Error> {
        let many = || "more probabilities than images times classes".to_owned();
        let fail = || Error::Checkpoint { path: self.path.to_owned(), reason: many() };
        self.left = self.left.checked_sub(probabilities.len()).ok_or_else(fail)?;
        self.put(probabilities.iter().flat_map(|p| (*p as f32).to_le_bytes()).collect())
    }

    fn put(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.hasher.update(&bytes);
        self.file.write_all(&bytes).map_err(Error::io(self.path))
    }
}

/// A file of probabilities that is read from beginning to end, any number of times.
#[derive(Debug)]
pub struct SavedProbabilities {
    path: PathBuf,
    info: ProbabilitiesInfo,
    labels: Vec<u32>,
    data_crc32: String,
    file: BufReader<File>, // at the probabilities of image `next`
    next: usize,
    hasher: crc32fast::Hasher, // of the data before them
}

impl SavedProbabilities {
    /// Opens a file that [`save_probabilities`] wrote, and reads its header and its labels. The
    /// checksum of the rest is compared when the last image is read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Checkpoint`] for a file that is damaged, or of another kind.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let io = || Error::io(path);
        let metadata = std::fs::metadata(path).map_err(io())?;
        if !metadata.is_file() {
            return Err(fail("it is no file; give one of saved probabilities".to_owned()));
        }
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io())?);
        let mut bytes = vec![0; 8];
        file.read_exact(&mut bytes).map_err(io())?;
        let header = length(bytes[..8].try_into().unwrap_or_default()).map_err(fail)?;
        (&mut file).take(header).read_to_end(&mut bytes).map_err(io())?;
        let found = read(&bytes).map_err(fail)?;
        let (got, expected) = (metadata.len(), found.data + 8 + header);
        if got != expected {
            return Err(fail(format!("it has {got} bytes, expected {expected}; save it again")));
        }
        let mut labels = vec![0; 4 * found.images];
        file.read_exact(&mut labels).map_err(io())?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&labels);
        let (labels, _) = labels.as_chunks();
        let labels: Vec<u32> = labels.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        if labels.iter().any(|label| *label as usize >= found.info.classes.len()) {
            return Err(fail(DAMAGED.to_owned()));
        }
        let (info, data_crc32) = (found.info, found.data_crc32);
        Ok(Self { path: path.to_owned(), info, labels, data_crc32, file, next: 0, hasher })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose probabilities they are, and of which images.
    pub fn info(&self) -> &ProbabilitiesInfo {
        &self.info
    }

    /// The classes of the images.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Refuses another dataset or split than the one it was saved for.
    ///
    /// # Errors
    ///
    /// [`Error::OtherImages`], naming what differs.
    pub fn check_split(&self, data: &Dataset, split: &Split) -> Result<(), Error> {
        let checksum = data_checksum(data)?;
        let differs = |what: &str, got: &str, expected: &str| {
            let (what, got, expected) = (what.into(), got.into(), expected.into());
            let (path, other) = (self.path.clone(), data.dir().to_owned());
            Err(Error::OtherImages { path, what, got, other, expected })
        };
        if self.info.split != split.name() {
            return differs("split", &self.info.split, split.name());
        }
        // The manifest under the checksum holds those of all records, with their labels.
        if self.info.dataset != checksum || self.labels.len() != split.len() {
            return differs("dataset", &self.info.dataset, &checksum);
        }
        Ok(())
    }

    /// Refuses a file for other images or classes than those of `other`.
    ///
    /// # Errors
    ///
    /// [`Error::OtherImages`], naming what differs.
    pub fn check_same(&self, other: &Self) -> Result<(), Error> {
        let Some((what, got, expected)) = self.difference(other) else { return Ok(()) };
        let (path, other) = (self.path.clone(), other.path.clone());
        let (what, got, expected) = (what.into(), got.into(), expected.into());
        Err(Error::OtherImages { path, what, got, other, expected })
    }

    /// What differs first, what it is here and what in `other`.
    fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let pair = |what: &str, of: &dyn Fn(&Self) -> String| {
            let (a, b) = (of(self), of(other));
            (a != b).then(|| (what.to_owned(), a, b))
        };
        let mut classes = self.info.classes.iter().zip(&other.info.classes);
        let class = classes.find(|(a, b)| a.name != b.name);
        let mut labels = self.labels.iter().zip(&other.labels).enumerate();
        let label = labels.find(|(_, (a, b))| a != b);
        pair("split", &|file| file.info.split.clone())
            .or_else(|| pair("number of classes", &|file| file.info.classes.len().to_string()))
            .or_else(|| class.map(|(a, b)| ("class".to_owned(), a.name.clone(), b.name.clone())))
            .or_else(|| pair("number of images", &|file| file.labels.len().to_string()))
            .or_else(|| {
                let (image, (a, b)) = label?;
                Some((format!("class of image {}", image + 1), a.to_string(), b.to_string()))
            })
            .or_else(|| pair("dataset", &|file| file.info.dataset.clone()))
    }

    /// The probabilities of the next images, `(images, classes)`; after the last one those of the
    /// first again.
    pub(super) fn read(&mut self, images: usize) -> Result<Vec<f64>, Error> {
        let fail = |reason: &str| {
            Err(Error::Checkpoint { path: self.path.clone(), reason: reason.to_owned() })
        };
        if self.next + images > self.labels.len() {
            return fail("it has fewer images than the others; give files of the same split");
        }
        let mut bytes = vec![0; 4 * images * self.info.classes.len()];
        self.file.read_exact(&mut bytes).map_err(Error::io(&self.path))?;
        self.hasher.update(&bytes);
        self.next += images;
        let (numbers, _) = bytes.as_chunks();
        let numbers = numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
        let probabilities: Vec<f64> = numbers.collect();
        let ended = self.next == self.labels.len();
        let crc32 = |hasher: &crc32fast::Hasher| crc32_text(hasher.clone().finalize());
        if ended && crc32(&self.hasher) != self.data_crc32
            || probabilities.iter().any(|p| !(0.0..=1.0001).contains(p))
        {
            return fail(DAMAGED);
        }
        if ended {
            let back = -((4 * self.next * self.info.classes.len()) as i64);
            self.file.seek(SeekFrom::Current(back)).map_err(Error::io(&self.path))?;
            self.hasher = crc32fast::Hasher::new();
            self.labels.iter().for_each(|label| self.hasher.update(&label.to_le_bytes()));
            self.next = 0;
        }
        Ok(probabilities)
    }
}
