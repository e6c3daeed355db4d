//! Opens a dataset and reads its records.

use crate::error::{Error, Result};
use crate::manifest::{FILE, FileInfo, Manifest, SplitInfo};
use crate::record::RAW;
use crate::shard::{Amount, Shard};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An opened dataset: a folder of memory-mapped shards with its manifest.
///
/// Opening checks versions, lengths, and the checksums of manifest, report, headers and indices.
/// The checksum of a record is compared when the record is first read. A dataset is `Sync`, so that
/// loader threads can share it.
///
/// No one may change or shorten a file of an open dataset; nothing in this crate does. If someone
/// does, a record of that file is read as it was written or is an error:
/// [`Error::UnreadableRecord`] where the file was cut short or has grown, [`Error::DamagedRecord`]
/// where other bytes lie there. But a page that vanishes while it is read is a signal that ends the
/// process, unless the program has called [`survive_cut_files`](crate::survive_cut_files). Another
/// file renamed into the place of one that is open, other times and a removed file do no harm.
///
/// ```
/// # use alexnet_data::*;
/// # let temporary = tempfile::tempdir()?;
/// # let (images, dir) = (temporary.path().join("images"), temporary.path().join("dataset"));
/// # let demo = DemoOptions { image_size: 40, train_per_class: 2, val_per_class: 1, seed: 1 };
/// # draw_demo(&images, &demo, &|_| ())?;
/// # let new = PrepareOptions::new(Source::Folder, images, &dir);
/// # prepare(&PrepareOptions { size: 36, ..new }, &|_| ())?;
/// let dataset = Dataset::open(&dir)?;
/// let train = dataset.split("train")?;
/// assert_eq!((train.len(), train.height(), train.width()), (20, 36, 36));
/// let record = train.record(7)?;
/// assert_eq!(record.pixels.len(), 36 * 36 * 3); // rows, columns, R G B
/// assert!(dataset.manifest().classes[record.label as usize].name.starts_with("striped-"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dataset {
    dir: PathBuf,
    manifest: Manifest,
    splits: Vec<Split>,
}

/// One split of a dataset, with its records numbered from 0.
#[derive(Debug)]
pub struct Split {
    info: SplitInfo,
    height: usize,
    width: usize,
    shards: Vec<Shard>,
    /// The number of the first record of each shard.
    starts: Vec<usize>,
    amounts: [Amount; 2],
}

/// One image with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// An index into [`Manifest::classes`].
    pub label: u32,
    /// height × width × 3 bytes: rows first, then columns, then R, G, B. They are the caller's
    /// buffer, or owned by the record of [`Split::record`].
    pub pixels: Cow<'a, [u8]>,
}

impl Dataset {
    /// Opens the dataset in the folder `dir`.
    ///
    /// # Errors
    /// [`Error::NotADataset`] without a manifest, [`Error::Version`] for another format,
    /// [`Error::Damaged`] where a file is not what was written, [`Error::Io`] for the rest.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        check_report(dir, &manifest)?;
        let splits = manifest.splits.iter().map(|info| Split::open(dir, info, &manifest));
        let splits = splits.collect::<Result<_>>()?;
        Ok(Self { dir: dir.into(), manifest, splits })
    }

    /// The dataset's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest: classes, counts and statistics.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The split of that name.
    ///
    /// # Errors
    /// [`Error::UnknownSplit`], which lists the names that exist.
    pub fn split(&self, name: &str) -> Result<&Split> {
        self.splits.iter().find(|s| s.name() == name).ok_or_else(|| Error::UnknownSplit {
            name: name.into(),
            path: self.dir.clone(),
            present: self.splits.iter().map(|s| s.name().into()).collect(),
        })
    }

    /// All splits, in the manifest's order.
    pub fn splits(&self) -> impl Iterator<Item = &Split> {
        self.splits.iter()
    }
}

impl Split {
    fn open(dir: &Path, info: &SplitInfo, manifest: &Manifest) -> Result<Self> {
        let (mut shards, mut starts, mut len) = (Vec::new(), Vec::new(), 0);
        let mut amounts = [Amount::default(); 2];
        let (size, classes) = ([manifest.height, manifest.width], manifest.classes.len());
        let mut counts = vec![0u64; classes];
        for shard in &info.shards {
            let opened = Shard::open(&dir.join(&shard.file), shard, size, classes)?;
            // In range, because `Shard::open` has compared every label with the number of classes.
            opened.entries().iter().for_each(|entry| counts[entry.label as usize] += 1);
            amounts.iter_mut().zip(opened.amounts).for_each(|(sum, part)| *sum += part);
            starts.push(len);
            len += opened.entries().len();
            shards.push(opened);
        }
        if counts != info.images_per_class {
            let got = format!("other counts in the shards of `{}`", info.name);
            let expected = "those of the shards' labels";
            return Err(Error::damaged(dir.join(FILE), "images_per_class", expected, got));
        }
        let [height, width] = size;
        Ok(Self { info: info.clone(), height, width, shards, starts, amounts })
    }

    /// The name: `train`, `val` or `test`.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.info.records as usize
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.info.records == 0
    }

    /// Rows of every image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of every image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Records of each class, in the order of [`Manifest::classes`].
    pub fn images_per_class(&self) -> &[u64] {
        &self.info.images_per_class
    }

    /// The records that are raw pixels.
    pub fn raw(&self) -> Amount {
        self.amounts[0]
    }

    /// The records that are JPEG images.
    pub fn jpeg(&self) -> Amount {
        self.amounts[1]
    }

    /// The label of record `i`, without touching its pixels.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] beyond the end.
    pub fn label(&self, i: usize) -> Result<u32> {
        let (shard, i) = self.find(i)?;
        Ok(shard.entries()[i].label)
    }

    /// Record `i`. Its checksum is compared the first time it is read.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] beyond the end, [`Error::DamagedRecord`] for a wrong checksum,
    /// [`Error::BadRecord`] for a right checksum of bytes that are no JPEG of the stored size,
    /// [`Error::UnreadableRecord`] where the file was cut short after it was opened.
    pub fn record(&self, i: usize) -> Result<Record<'static>> {
        let mut buffer = Vec::new();
        let label = self.record_with(i, &mut buffer)?.label;
        Ok(Record { label, pixels: Cow::Owned(buffer) })
    }

    /// The same as [`record`](Self::record), but the pixels are put into `buffer`, whose memory is
    /// reused.
    ///
    /// # Errors
    /// Those of [`record`](Self::record).
    pub fn record_with<'a>(&self, i: usize, buffer: &'a mut Vec<u8>) -> Result<Record<'a>> {
        let (shard, i) = self.find(i)?;
        let label = shard.with_record(i, |entry, bytes| {
            if entry.encoding == RAW {
                buffer.clear();
                buffer.extend_from_slice(bytes);
            } else {
                shard.decode(i, bytes, buffer)?;
            }
            Ok(entry.label)
        })?;
        Ok(Record { label, pixels: Cow::Borrowed(buffer) })
    }

    /// Gives the label and the pixels of record `i` to `read`. Raw pixels are lent by the mapped
    /// file, those of a JPEG record are decoded into `buffer`. What `read` makes of them counts
    /// only if this is no error (see [`Shard::with_record`]).
    pub(crate) fn with_pixels<T>(
        &self,
        i: usize,
        buffer: &mut Vec<u8>,
        read: impl FnOnce(u32, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let (shard, i) = self.find(i)?;
        shard.with_record(i, |entry, bytes| {
            if entry.encoding == RAW {
                return read(entry.label, bytes);
            }
            shard.decode(i, bytes, buffer)?;
            read(entry.label, buffer)
        })
    }

    /// Asks the system to begin reading record `i`, where it exists, from disk.
    pub(crate) fn prefetch(&self, i: usize, again: bool) {
        if let Ok((shard, i)) = self.find(i) {
            shard.prefetch(i, again);
        }
    }

    /// The shard that holds record `i`, and the number of the record in it.
    fn find(&self, i: usize) -> Result<(&Shard, usize)> {
        if i >= self.len() {
            let (split, records) = (self.info.name.clone(), self.len());
            return Err(Error::NoSuchRecord { split, record: i, records });
        }
        // The first shard starts at 0 ≤ i, so at least one shard is before the partition point.
        let shard = self.starts.partition_point(|&start| start <= i) - 1;
        Ok((&self.shards[shard], i - self.starts[shard]))
    }
}

/// Compares the report with the manifest. Training does not read it, but a dataset without it, or
/// with another one, is not whole.
pub(crate) fn check_report(dir: &Path, manifest: &Manifest) -> Result<()> {
    let info = &manifest.report;
    let found = FileInfo::of(dir, &info.file)?;
    if found != *info {
        let text = |info: &FileInfo| format!("{} bytes with {}", info.bytes, info.checksum);
        return Err(Error::damaged(dir.join(&info.file), "its content", text(info), text(&found)));
    }
    Ok(())
}
