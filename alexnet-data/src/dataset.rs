//! Opening a dataset, and reading its records.

use crate::manifest::FILE;
use crate::record::RAW;
use crate::shard::{Expected, Shard};
use crate::{Error, Manifest, SplitInfo};
use std::borrow::Cow;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// An opened dataset: a folder of memory-mapped shards with its manifest.
///
/// Opening checks versions, lengths, and the checksums of manifest, report, headers and indices;
/// the checksum of a record is compared when the record is first read. Nothing is decoded or
/// copied then. A dataset is `Sync`: share one between loader threads.
///
/// No file of it may be changed or shortened while it is open; nothing in this crate does so.
#[derive(Debug)]
pub struct Dataset {
    dir: PathBuf,
    manifest: Manifest,
    splits: Vec<Split>,
}

/// One split of a dataset: its records, numbered from 0.
#[derive(Debug)]
pub struct Split {
    info: SplitInfo,
    height: usize,
    width: usize,
    shards: Vec<Shard>,
    /// The number of the first record of each shard.
    starts: Vec<usize>,
    len: usize,
    amounts: [Amount; 2],
}

/// How many records there are of a kind, and the bytes they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records.
    pub records: u64,
    /// Bytes of the record area.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// One image with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// A place in [`Manifest::classes`].
    pub label: u32,
    /// height × width × 3 bytes: rows first, then columns, then R, G, B. Borrowed from the mapping or
    /// from the caller's buffer; owned where neither would do.
    pub pixels: Cow<'a, [u8]>,
}

impl Dataset {
    /// Opens the dataset in the folder `dir`.
    ///
    /// # Errors
    /// [`Error::NotADataset`] without a manifest, [`Error::Version`] for another format,
    /// [`Error::Damaged`] where a file is not what was written, [`Error::Io`] for the rest.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let manifest = Manifest::read(dir)?;
        check_report(dir, &manifest)?;
        let expected = Expected::of(&manifest);
        let splits = manifest
            .splits
            .iter()
            .map(|info| Split::open(dir, info, expected))
            .collect::<Result<_, _>>()?;
        Ok(Self { dir: dir.into(), manifest, splits })
    }

    /// The dataset's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Classes, counts and statistics.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The split of that name.
    ///
    /// # Errors
    /// [`Error::UnknownSplit`], which lists those present.
    pub fn split(&self, name: &str) -> Result<&Split, Error> {
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
    fn open(dir: &Path, info: &SplitInfo, expected: Expected) -> Result<Self, Error> {
        let mut shards = Vec::new();
        let mut starts = Vec::new();
        let mut len = 0usize;
        let mut amounts = [Amount::default(); 2];
        let mut counts = vec![0u64; expected.classes];
        for shard in &info.shards {
            let opened = Shard::open(&dir.join(&shard.file), shard, expected)?;
            // In range: Shard::open has compared every label with the number of classes.
            (0..opened.len()).for_each(|i| counts[opened.entry(i).label as usize] += 1);
            amounts.iter_mut().zip(opened.amounts()).for_each(|(sum, part)| *sum += part);
            starts.push(len);
            len += opened.len();
            shards.push(opened);
        }
        if counts != info.images_per_class {
            let got = format!("other counts in the shards of `{}`", info.name);
            let expected = "those of the shards' labels";
            return Err(Error::damaged(dir.join(FILE), "images_per_class", expected, got));
        }
        let (height, width) = (expected.height, expected.width);
        Ok(Self { info: info.clone(), height, width, shards, starts, len, amounts })
    }

    /// Its name: `train` or `val`.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rows of every image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of every image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Images of each class, in the order of [`Manifest::classes`].
    pub fn images_per_class(&self) -> &[u64] {
        &self.info.images_per_class
    }

    /// Its records of raw pixels.
    pub fn raw(&self) -> Amount {
        self.amounts[0]
    }

    /// Its records that are JPEG pictures.
    pub fn jpeg(&self) -> Amount {
        self.amounts[1]
    }

    /// The label of record `i`, without touching its pixels.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] beyond the end.
    pub fn label(&self, i: usize) -> Result<u32, Error> {
        let (shard, i) = self.find(i)?;
        Ok(shard.entry(i).label)
    }

    /// Record `i`, its pixels borrowed from the mapping, or decoded into memory of their own where
    /// they are stored as JPEG. Its checksum is compared the first time it is read.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] beyond the end, [`Error::DamagedRecord`] for a wrong checksum,
    /// [`Error::BadRecord`] for a right one over a JPEG that is not one of the stored size.
    pub fn record(&self, i: usize) -> Result<Record<'_>, Error> {
        let (shard, i) = self.find(i)?;
        let (entry, bytes) = shard.stored(i)?;
        if entry.encoding == RAW {
            return Ok(Record { label: entry.label, pixels: bytes.into() });
        }
        let mut pixels = Vec::new();
        shard.decode(i, bytes, &mut pixels)?;
        Ok(Record { label: entry.label, pixels: pixels.into() })
    }

    /// As [`record`](Self::record); a JPEG record is decoded into `buffer`, whose memory is used again.
    ///
    /// # Errors
    /// Those of [`record`](Self::record).
    pub fn record_with<'a>(
        &'a self,
        i: usize,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Record<'a>, Error> {
        let (shard, i) = self.find(i)?;
        let (entry, bytes) = shard.stored(i)?;
        if entry.encoding == RAW {
            return Ok(Record { label: entry.label, pixels: bytes.into() });
        }
        shard.decode(i, bytes, buffer)?;
        Ok(Record { label: entry.label, pixels: Cow::Borrowed(buffer) })
    }

    /// Asks the system to begin reading record `i` from disk, where there is such a record.
    pub(crate) fn will_need(&self, i: usize, again: bool) {
        if let Ok((shard, i)) = self.find(i) {
            shard.will_need(i, again);
        }
    }

    /// The shard that holds record `i`, and the record's number in it.
    fn find(&self, i: usize) -> Result<(&Shard, usize), Error> {
        if i >= self.len {
            let (split, records) = (self.info.name.clone(), self.len);
            return Err(Error::NoSuchRecord { split, record: i, records });
        }
        // The first shard starts at 0 ≤ i, so there is always one before the partition point.
        let shard = self.starts.partition_point(|&start| start <= i) - 1;
        Ok((&self.shards[shard], i - self.starts[shard]))
    }
}

/// The report is no part of training, but a dataset is whole or it is not.
pub(crate) fn check_report(dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    let info = &manifest.report;
    let path = dir.join(&info.file);
    let length = std::fs::metadata(&path).map_err(Error::io("read", &path))?.len();
    if length != info.bytes {
        let (expected, got) = (format!("{} bytes", info.bytes), format!("{length} bytes"));
        return Err(Error::damaged(path, "its length", expected, got));
    }
    let got = crate::crc::of_file(&path)?;
    if got != info.checksum.0 {
        let got = crate::manifest::Checksum(got);
        return Err(Error::damaged(path, "its checksum", info.checksum, got));
    }
    Ok(())
}
