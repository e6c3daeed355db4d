//! A file to which whole records are appended, whether the disk takes them now or later.
//!
//! A full disk or an error of it does not end a run. What could not be written waits in memory, and
//! is tried again with the next record. What was written of half a record is cut off at once, so
//! that the file holds whole records in their order, and a reader never meets half of one. A spell
//! of such trouble is reported when it begins and when it is over, and not for each record; what is
//! lost is reported too.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The most bytes that wait for the disk: 100,000 steps of a run.
const MOST_WAITING: usize = 16 << 20;

/// What a log's records are like.
pub(crate) trait Format {
    /// What a file without a record begins with; it may be empty.
    fn beginning(&mut self) -> Vec<u8>;

    /// How many bytes at the beginning of `file` are whole records.
    fn whole(&mut self, file: &mut dyn BufRead) -> io::Result<u64>;
}

/// Where records are stored: a file; in tests one that fails when it is told to.
pub(crate) trait Storage: Read + Write + Seek {
    /// Cuts off what lies behind `length` bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Waits until everything is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Storage for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        // A file that someone has emptied meanwhile would be filled up with zeros.
        if self.metadata()?.len() > length { self.set_len(length) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file to which whole records are appended.
pub(crate) struct AppendFile<F, S = File> {
    path: PathBuf,
    open: Box<dyn FnMut() -> io::Result<S>>,
    pub(crate) format: F,
    storage: Option<S>,
    /// The bytes of the records that are in the file.
    length: u64,
    /// The file may hold more than `length` bytes. Of these, whole records up to here are kept.
    keep: Option<u64>,
    /// Whether the file has, or has waiting, what it begins with.
    begun: bool,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    most_waiting: usize,
    /// How many records had to be given up in this spell of trouble.
    lost: usize,
    /// How many bytes the file had once, as `keep` says, and has no longer.
    missing: u64,
    in_trouble: bool,
    sync_failed: bool,
    notice: Option<String>,
}

impl<F: Format> AppendFile<F> {
    /// Opens the file at `path`, which is made where it is missing, and its folder. The bytes up to
    /// `keep` stay, or those that there are; behind them, half a record and all else is cut off.
    pub(crate) fn open(path: PathBuf, format: F, keep: Option<u64>) -> Self {
        let opened = path.clone();
        Self::with_storage(path, format, keep, Box::new(move || open_file(&opened)))
    }
}

/// Opens a file to append to it and to read what it holds.
fn open_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

impl<F: Format, S: Storage> AppendFile<F, S> {
    fn with_storage(
        path: PathBuf,
        format: F,
        keep: Option<u64>,
        open: Box<dyn FnMut() -> io::Result<S>>,
    ) -> Self {
        let mut file = Self {
            path,
            open,
            format,
            storage: None,
            length: 0,
            keep: Some(keep.unwrap_or(u64::MAX)),
            begun: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            most_waiting: MOST_WAITING,
            lost: 0,
            missing: 0,
            in_trouble: false,
            sync_failed: false,
            notice: None,
        };
        file.flush();
        file
    }

    /// Appends a record, in one write, after those that wait.
    pub(crate) fn append(&mut self, record: Vec<u8>) {
        self.waiting_bytes += record.len();
        self.waiting.push_back(record);
        self.flush();
        while self.waiting_bytes > self.most_waiting {
            // The first record of a file may be what it has to begin with.
            let oldest = usize::from(self.length == 0);
            let Some(record) = self.waiting.remove(oldest) else { break };
            self.waiting_bytes -= record.len();
            self.lost += 1;
        }
    }

    /// The bytes of all records so far, with those that wait. `None` while a file that may hold
    /// records already cannot be opened.
    pub(crate) fn offset(&self) -> Option<u64> {
        let stored = self.keep.unwrap_or(self.length);
        (stored != u64::MAX).then(|| stored + self.waiting_bytes as u64)
    }

    /// Cuts off the records that were appended after [`offset`](Self::offset) was `offset`.
    pub(crate) fn cut_to(&mut self, offset: u64) {
        while self.offset().is_none_or(|now| now > offset) {
            let Some(record) = self.waiting.pop_back() else { break };
            self.waiting_bytes -= record.len();
        }
        if self.waiting.is_empty() && self.keep.unwrap_or(self.length) >= offset {
            (self.length, self.keep, self.begun) = (0, Some(offset), false);
        }
        self.flush();
    }

    /// Waits until all records are on the disk, as far as it takes them.
    pub(crate) fn sync(&mut self) {
        self.flush();
        let (true, Some(storage)) = (self.waiting.is_empty(), &mut self.storage) else { return };
        let synced = storage.sync();
        self.sync_failed = synced.is_err();
        match synced {
            Ok(()) => self.end_trouble(),
            Err(error) => self.begin_trouble(&error),
        }
    }

    /// Whether all records are on the disk, as far as is known.
    pub(crate) fn is_well(&self) -> bool {
        self.waiting.is_empty() && !self.in_trouble
    }

    /// Says what the file lacks when nothing will be tried again.
    pub(crate) fn end(&mut self) {
        let count = self.waiting.len() + self.lost;
        if count > 0 {
            let path = self.path.display();
            self.notice = Some(format!("{path}: {count} records cannot be written and are lost"));
        }
    }

    /// What a person should know of and was not told yet: that trouble has begun, or is over.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// The bytes that it holds in memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.waiting.capacity() * size_of::<Vec<u8>>() + self.waiting_bytes
    }

    fn flush(&mut self) {
        match self.write_waiting() {
            Ok(()) if self.sync_failed => {} // only a sync shows that this is over
            Ok(()) => self.end_trouble(),
            Err(error) => self.begin_trouble(&error),
        }
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        if self.storage.is_none() {
            self.storage = Some((self.open)()?);
        }
        let Some(storage) = &mut self.storage else { return Ok(()) };
        if let Some(keep) = self.keep {
            let end = storage.seek(SeekFrom::End(0))?.min(keep);
            if keep != u64::MAX {
                self.missing = self.missing.max(keep - end);
            }
            self.length = self.length.min(end);
            storage.seek(SeekFrom::Start(self.length))?;
            let mut rest = BufReader::new(Read::by_ref(storage).take(end - self.length));
            self.length += self.format.whole(&mut rest)?;
            storage.cut(self.length)?;
            self.keep = None;
            if self.length == 0 && !self.begun {
                let beginning = self.format.beginning();
                self.waiting_bytes += beginning.len();
                self.waiting.push_front(beginning);
            }
            self.begun = true;
        }
        while let Some(record) = self.waiting.front() {
            if let Err(error) = storage.write_all(record) {
                let cut = storage.cut(self.length); // works on a full disk too
                self.keep = cut.is_err().then_some(self.length);
                return Err(error);
            }
            self.length += record.len() as u64;
            self.waiting_bytes -= record.len();
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn begin_trouble(&mut self, error: &io::Error) {
        if !self.in_trouble {
            self.notice = Some(format!(
                "{}: {error}: the run goes on; what belongs there is kept in memory and tried \
                 again",
                self.path.display()
            ));
        }
        self.in_trouble = true;
    }

    fn end_trouble(&mut self) {
        let was_in_trouble = std::mem::take(&mut self.in_trouble);
        let what = match (std::mem::take(&mut self.lost), std::mem::take(&mut self.missing)) {
            (0, 0) if was_in_trouble => "written again; nothing was lost".to_owned(),
            (0, 0) => return,
            (0, bytes) => format!("{bytes} bytes that it had are missing; it has a gap there"),
            (lost, _) => {
                format!("written again; {lost} records were too many for the memory and are lost")
            }
        };
        self.notice = Some(format!("{}: {what}", self.path.display()));
    }
}

#[cfg(test)]
mod tests;
