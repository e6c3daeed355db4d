//! A foreign file, read at any place: nothing is allocated before it is known that the file has
//! the bytes.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::problem::{Problem, Result};

/// What bytes come from.
pub(crate) trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

/// A file of weights of others.
pub(crate) struct SourceFile {
    input: BufReader<Box<dyn Input>>,
    /// Where the input stands; unknown after someone else has read it.
    at: Option<u64>,
    length: u64,
}

impl SourceFile {
    /// Opens a file for reading.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Asked before it is opened: to open a pipe would wait for its writer.
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "a folder" } else { "a device, a pipe or a socket" };
            let problem = Problem::new(format!("it is {kind}")).expected("a file", kind);
            return Err(problem.advice("give a file of weights"));
        }
        Ok(Self::of(Box::new(File::open(path)?), metadata.len()))
    }

    /// A file in memory.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self::of(Box::new(Cursor::new(bytes)), length)
    }

    fn of(input: Box<dyn Input>, length: u64) -> Self {
        Self { input: BufReader::new(input), at: Some(0), length }
    }

    /// Its bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Refuses a range that the file does not have.
    pub(crate) fn check(&self, range: &Range<u64>) -> Result<()> {
        match range.end <= self.length && range.start <= range.end {
            true => Ok(()),
            false => Err(Problem::ends_early(range.end, self.length)),
        }
    }

    /// Fills `buffer` with the bytes from `at` on.
    pub(crate) fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let end = at.saturating_add(buffer.len() as u64);
        self.check(&(at..end))?;
        // A relative step keeps what the buffer has.
        match self.at.take().map(|from| at.wrapping_sub(from) as i64) {
            Some(step) => self.input.seek_relative(step)?,
            None => _ = self.input.seek(SeekFrom::Start(at))?,
        }
        self.input.read_exact(buffer)?;
        self.at = Some(end);
        Ok(())
    }

    /// The first bytes, at most so many.
    pub(crate) fn start(&mut self, most: usize) -> Result<Vec<u8>> {
        self.bytes(0..self.length.min(most as u64), most)
    }

    /// The bytes of a range that may have `most`.
    pub(crate) fn bytes(&mut self, range: Range<u64>, most: usize) -> Result<Vec<u8>> {
        self.check(&range)?;
        let length = range.end - range.start;
        if length > most as u64 {
            let what = "it is no file of weights of a network that this program knows";
            return Err(Problem::new(what).expected(
                format!("at most {most} bytes of names and numbers of it at byte {}", range.start),
                length,
            ));
        }
        let mut bytes = vec![0; length as usize];
        self.read(range.start, &mut bytes)?;
        Ok(bytes)
    }

    /// The whole file, for a library that reads it in its own order.
    pub(crate) fn whole(&mut self) -> &mut (impl Read + Seek + use<>) {
        self.at = None;
        &mut self.input
    }
}
