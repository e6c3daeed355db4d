//! The reader from which JPEGs are decoded: a slice and a position in it.
//!
//! The reader for slices in zune-jpeg copies every four bytes of a scan with a function call when
//! its feature `std` is on, and other crates turn that on. Here it is one comparison and one load,
//! which makes decoding a tenth faster. Both read the same, past the end too.
//!
//! It also notices where zune-jpeg skips bytes: it looks for a marker byte by byte, and asks for
//! the end before each of them.

use std::cell::Cell;
use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZSeekFrom};

/// Bytes, and the position of the next read, which may be past their end after a seek.
pub(crate) struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the decoder last asked for the end.
    asked: usize,
    /// After the last byte that was read by itself.
    alone: usize,
    /// Called with the bytes in which a search for a marker begins.
    searched: Option<Search<'a>>,
}

/// Whether a search for a marker began among bytes that are not as expected.
pub(crate) struct Search<'a> {
    pub(crate) expected: fn(&[u8]) -> bool,
    pub(crate) surprised: &'a Cell<bool>,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, asked: usize::MAX, alone: usize::MAX, searched: None }
    }

    /// The same, with a word about each search for a marker.
    #[allow(dead_code)] // a test has this file alone
    pub(crate) fn watched(bytes: &'a [u8], search: Search<'a>) -> Self {
        Self { searched: Some(search), ..Self::new(bytes) }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

impl ZByteReaderTrait for Bytes<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte.unwrap_or(0)
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, buf: &mut [u8]) -> Result<(), ZByteIoError> {
        self.peek_exact_bytes(buf)?;
        if buf.len() == 1 {
            if self.asked == self.at
                && self.alone != self.at
                && let Some(Search { expected, surprised }) = &self.searched
            {
                surprised.set(surprised.get() || !expected(self.rest()));
            }
            self.alone = self.at + 1;
        }
        self.at += buf.len();
        Ok(())
    }

    #[inline]
    fn read_bytes(&mut self, buf: &mut [u8]) -> Result<usize, ZByteIoError> {
        let read = self.peek_bytes(buf)?;
        self.at += read;
        Ok(read)
    }

    #[inline]
    fn peek_bytes(&mut self, buf: &mut [u8]) -> Result<usize, ZByteIoError> {
        let (rest, wanted) = (self.rest(), buf.len());
        let length = wanted.min(rest.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    #[inline(always)]
    fn peek_exact_bytes(&mut self, buf: &mut [u8]) -> Result<(), ZByteIoError> {
        let (rest, wanted) = (self.rest(), buf.len());
        let bytes = rest.get(..wanted).ok_or(ZByteIoError::NotEnoughBytes(rest.len(), wanted))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    #[inline(always)]
    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        let to = match from {
            ZSeekFrom::Start(n) => usize::try_from(n).ok(),
            ZSeekFrom::End(n) => self.bytes.len().checked_add_signed(n as isize),
            ZSeekFrom::Current(n) => self.at.checked_add_signed(n as isize),
        };
        self.at = to.ok_or(ZByteIoError::SeekError("outside of the address space"))?;
        Ok(self.at as u64)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.asked = self.at;
        Ok(self.at >= self.bytes.len())
    }

    #[inline]
    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        Ok(self.at as u64)
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        let rest = self.rest();
        sink.extend_from_slice(rest);
        self.at += rest.len();
        Ok(rest.len())
    }
}
