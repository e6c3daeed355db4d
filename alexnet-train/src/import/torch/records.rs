//! The records of a PyTorch file: the files of a zip, stored as they are.

use std::ops::Range;

use zip::CompressionMethod;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

use crate::import::file::SourceFile;
use crate::import::problem::{Problem, Result, quoted};

/// The most records. A state dict of an AlexNet has 20.
const MOST: usize = 1 << 12;

/// Bytes of a local header before the name.
const LOCAL_HEADER: u64 = 30;

/// A record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its name in the archive's folder.
    pub(crate) name: String,
    /// Its bytes in the file.
    pub(crate) range: Range<u64>,
    /// Their CRC-32.
    pub(crate) crc32: u32,
    /// Whether these are the record's bytes as they are.
    is_plain: bool,
}

/// The records of a file, by the order of their places.
#[derive(Debug)]
pub(crate) struct Records(Vec<Record>);

impl Records {
    /// The records of a file: those in the folder of its `data.pkl`.
    pub(crate) fn read(file: &mut SourceFile) -> Result<Self> {
        let mut records = entries(file)?;
        let mut header = [0; LOCAL_HEADER as usize];
        for record in &mut records {
            // The name and the extra field may be longer or shorter than in the directory.
            let (at, length) = (record.range.start, record.range.end - record.range.start);
            file.read(at, &mut header).map_err(|problem| problem.of(&record.name))?;
            if header[..4] != *b"PK\x03\x04" {
                let what = "its directory names a record where there is none";
                return Err(Problem::new(what).of(&record.name));
            }
            let part = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
            let start = at + LOCAL_HEADER + part(26) + part(28);
            record.range = start..start.saturating_add(length);
            file.check(&record.range).map_err(|problem| problem.of(&record.name))?;
        }
        records.sort_by_key(|record| (record.range.start, record.range.end));
        if let Some(pair) = records.windows(2).find(|p| p[0].range.end > p[1].range.start) {
            let what = "its bytes are those of another record too";
            let problem = Problem::new(what).expected("records one after another", "overlapping");
            return Err(problem.of(&pair[1].name));
        }
        let pickle = records.iter().find_map(|r| r.name.strip_suffix("data.pkl"));
        let Some(folder) = pickle.map(str::to_owned) else {
            let problem = Problem::new("it is a zip, but not one that PyTorch wrote");
            let problem =
                problem.expected("a record data.pkl", format!("{} others", records.len()));
            return Err(problem.advice("give a file that `torch.save` wrote"));
        };
        records.retain(|record| record.name.starts_with(&folder));
        for record in &mut records {
            record.name.drain(..folder.len());
        }
        Ok(Self(records))
    }

    /// Refuses records that are not stored as they are.
    pub(crate) fn check_plain(&self) -> Result<()> {
        let Some(record) = self.0.iter().find(|record| !record.is_plain) else { return Ok(()) };
        let what = "it is compressed or encrypted, which no record of a state dict is";
        let problem = Problem::new(what).of(&record.name);
        Err(problem.advice("give the file as `torch.save` wrote it"))
    }

    /// The names of all records.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|record| &record.name[..])
    }

    /// The record of a name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<&Record> {
        self.0.iter().find(|record| record.name == name)
    }

    /// The record of a name.
    pub(crate) fn get(&self, name: &str) -> Result<&Record> {
        self.find(name).ok_or_else(|| Problem::new(format!("it has no record {}", quoted(name))))
    }
}

impl Record {
    /// Refuses bytes of this record that are not those that were written.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<()> {
        let got = crc32fast::hash(bytes);
        match got == self.crc32 {
            true => Ok(()),
            false => Err(Problem::new("it is damaged: its checksum is another")
                .expected(format!("{:08x}", self.crc32), format!("{got:08x}"))
                .of(&self.name)),
        }
    }
}

/// The entries of a zip's directory; their ranges begin with their local headers.
fn entries(file: &mut SourceFile) -> Result<Vec<Record>> {
    let damaged = |e: zip::result::ZipError| {
        Problem::new(format!("it is a zip that is cut short or damaged ({e})"))
    };
    let mut zip = ZipIterable::try_new(file.whole(), Config::default()).map_err(damaged)?;
    let mut records: Vec<Record> = Vec::new();
    for entry in zip.files().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        if !entry.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if records.len() == MOST || records.iter().any(|record| record.name == name) {
            let problem =
                Problem::new(format!("it has too many records, or {} twice", quoted(&name)));
            return Err(problem.expected(format!("at most {MOST}"), "more, or two of one name"));
        }
        let length = entry.compressed_size();
        let is_plain = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
        let is_plain = is_plain && length == entry.size();
        let start = entry.header_start();
        let range = start..start.saturating_add(length);
        file_has(&range, &name)?;
        records.push(Record { name, range, crc32: entry.crc32(), is_plain });
    }
    Ok(records)
}

/// Refuses a range that ends behind all that can be counted.
fn file_has(range: &Range<u64>, name: &str) -> Result<()> {
    match range.end < 1 << 62 {
        true => Ok(()),
        false => Err(Problem::new("its length cannot be").of(name)),
    }
}
