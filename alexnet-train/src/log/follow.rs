//! Follows the log of a run while it grows.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::error::Error;
use crate::log::read::RunLog;
use crate::run::RunFolder;

/// The log of a run, of which each look reads only what is new.
///
/// A run that is resumed cuts off what lies after its checkpoint. A log that is shorter than
/// before, or whose last line is no longer where it was, is read anew.
///
/// ```
/// use alexnet_train::{LogFollower, RunFolder};
///
/// # let folder = tempfile::tempdir()?;
/// let run = RunFolder::new(folder.path());
/// let mut follower = LogFollower::new(&run);
/// assert!(!follower.look()?); // there is no log yet
/// std::fs::write(run.log(), "{\"event\":\"warning\",\"message\":\"a full disk\"}\n{\"eve")?;
/// assert!(follower.look()?);
/// assert_eq!(follower.log().notes[0].text, "a full disk");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogFollower {
    path: PathBuf,
    log: RunLog,
    /// The number of bytes that were read: whole lines.
    read: u64,
    /// The last of these lines, by which a log that was cut and grew again is noticed.
    last_line: Vec<u8>,
}

impl LogFollower {
    /// Follows the log of a run, which may not have one yet. Nothing is read before the first
    /// [`look`](Self::look).
    pub fn new(run: &RunFolder) -> Self {
        Self { path: run.log(), log: RunLog::default(), read: 0, last_line: Vec::new() }
    }

    /// What was read so far.
    pub fn log(&self) -> &RunLog {
        &self.log
    }

    /// Reads on to the end of the last whole line. Tells whether anything changed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that is there and cannot be read.
    pub fn look(&mut self) -> Result<bool, Error> {
        match File::open(&self.path) {
            Ok(file) => self.read_on(file).map_err(Error::io(&self.path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.forget()),
            Err(error) => Err(Error::io(&self.path)(error)),
        }
    }

    fn read_on(&mut self, mut file: File) -> std::io::Result<bool> {
        let forgotten = !self.continues(&mut file)? && self.forget();
        file.seek(SeekFrom::Start(self.read))?;
        let (mut text, mut line, before) = (BufReader::new(file), Vec::new(), self.read);
        loop {
            line.clear();
            text.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(forgotten || self.read > before); // the rest of it is to come
            }
            self.read += line.len() as u64;
            if !line.trim_ascii().is_empty() {
                self.log.add(&line);
            }
            std::mem::swap(&mut self.last_line, &mut line);
        }
    }

    /// Whether the file still has the line that was read last, where it was.
    fn continues(&self, file: &mut File) -> std::io::Result<bool> {
        let mut there = vec![0; self.last_line.len()];
        file.seek(SeekFrom::Start(self.read - there.len() as u64))?;
        match file.read_exact(&mut there) {
            Ok(()) => Ok(there == self.last_line),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins again. Tells whether anything had been read.
    fn forget(&mut self) -> bool {
        let had = self.read > 0;
        (self.log, self.read) = (RunLog::default(), 0);
        self.last_line.clear();
        had
    }
}
