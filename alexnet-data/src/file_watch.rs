//! Whether a shard's file is as it was when it was opened, and which of its records were compared
//! with their checksums since it last changed.
//!
//! A file that was renamed into the shard's place, or a removed one, is no change: the shard keeps
//! the file that it opened.

use crate::open_files::leaves_room;
use std::fs::{File, Metadata};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The system writes the time of a change before the bytes, and its clock has steps of some
/// milliseconds. So a file that just changed may change again and show the same times.
const SETTLED: Duration = Duration::from_secs(1);

/// Watches one opened file.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// `None` where the system lets this process have too few open files. Then no record is
    /// remembered, so that each is compared whenever it is read.
    file: Option<File>,
    length: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    times: Times,
    /// How often the times have changed, and when that was last noticed.
    changes: u64,
    noticed: Option<Instant>,
    /// One bit for each record: whether its checksum was compared since the last change. To compare
    /// it again would find nothing, and takes longer than the crop: it would halve the rate of the
    /// loader.
    compared: Box<[u64]>,
}

/// What a look at the file shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The length of the file.
    pub(crate) length: u64,
    /// Whether the record was compared with its checksum since the file last changed.
    pub(crate) is_compared: bool,
    changes: u64,
}

/// When the content of a file changed last, and when anything about it did: copying tools set the
/// first back, and no one can set the second.
#[cfg(unix)]
type Times = [i64; 4];
#[cfg(not(unix))]
type Times = Option<std::time::SystemTime>;

#[cfg(unix)]
fn times(file: &Metadata) -> Times {
    use std::os::unix::fs::MetadataExt;
    [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
}

#[cfg(not(unix))]
fn times(file: &Metadata) -> Times {
    file.modified().ok()
}

impl FileWatch {
    /// Watches `file` with so many records from now on.
    pub(crate) fn new(file: File, records: usize) -> io::Result<Self> {
        let now = file.metadata()?;
        let compared = vec![0; records.div_ceil(64)].into();
        let seen = Seen { times: times(&now), changes: 0, noticed: None, compared };
        let file = leaves_room(&file).then_some(file);
        Ok(Self { file, length: now.len(), seen: Mutex::new(seen) })
    }

    /// The length of the file when it was opened.
    pub(crate) fn opened_length(&self) -> u64 {
        self.length
    }

    /// Looks at the file, which takes 0.4 µs, for the sake of record `i`.
    pub(crate) fn look(&self, i: usize) -> io::Result<Look> {
        let now = self.file.as_ref().map(File::metadata).transpose()?;
        let mut seen = self.seen();
        if let Some(times) = now.as_ref().map(times)
            && times != seen.times
        {
            (seen.times, seen.noticed) = (times, Some(Instant::now()));
            seen.changes += 1;
            seen.compared.fill(0);
        }
        let length = now.map_or(self.length, |now| now.len());
        let is_compared = seen.compared[i / 64] >> (i % 64) & 1 == 1;
        Ok(Look { length, is_compared, changes: seen.changes })
    }

    /// Whether record `i` was compared with its checksum, as far as is known without a look.
    pub(crate) fn is_compared(&self, i: usize) -> bool {
        self.seen().compared[i / 64] >> (i % 64) & 1 == 1
    }

    /// Remembers that record `i` was compared with its checksum after this look, unless the file
    /// has changed since, or just before.
    pub(crate) fn remember(&self, i: usize, look: Look) {
        let mut seen = self.seen();
        let is_settled = seen.noticed.is_none_or(|noticed| noticed.elapsed() > SETTLED);
        if self.file.is_some() && seen.changes == look.changes && is_settled {
            seen.compared[i / 64] |= 1 << (i % 64);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
