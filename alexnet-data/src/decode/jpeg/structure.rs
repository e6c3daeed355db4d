//! The structure of a JPEG: its segments, followed forward from its beginning to its end.
//!
//! Everything that must be known before a decoder starts is decided here: what its colours are,
//! why it is refused, how much work it is, where it ends, and whether its markers speak for a whole
//! picture. What follows its end-of-image marker (the film of a phone's picture, another JPEG) is
//! never looked at.

use super::super::error::{DecodeError, Result};
use super::frame::{Colours, Frame};
use super::scan::Scan;
use super::tables::{huffman_tables, quantization_tables};

/// The most scans of a picture. The most that a useful script could have is a few dozen.
const MAX_SCANS: usize = 1000;

/// A JPEG before it is decoded.
pub(super) struct JpegStructure<'a> {
    pub(super) frame: Frame,
    pub(super) colours: Colours,
    /// What decoding needs, in the order of the file. The frame comes where the file has it.
    pub(super) parts: Vec<Part<'a>>,
    pub(super) ending: Ending,
    /// The content of the last EXIF segment before the first scan.
    pub(super) exif: Option<&'a [u8]>,
    /// Whether it is a frame of a film, which may lack the tables of Huffman codes.
    pub(super) of_film: bool,
    /// Whether a table has a code that is all ones, which the standard forbids.
    code_of_ones: bool,
}

/// One segment that decoding needs.
pub(super) enum Part<'a> {
    Quantization(&'a [u8]),
    Huffman(&'a [u8]),
    RestartInterval(&'a [u8]),
    Frame,
    Scan(Scan<'a>),
}

/// How a JPEG ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its end-of-image marker.
    Marker,
    /// With the file, before that marker.
    File,
    /// With a segment that cannot be read, for this reason.
    Broken(DecodeError),
}

/// The position in a file whose segments are read.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    /// The next marker. Whatever is before it is skipped, as libjpeg does.
    fn marker(&mut self) -> Option<u8> {
        loop {
            let at = memchr::memchr(0xff, self.rest)?;
            let skipped = self.rest[at..].iter().take_while(|&&byte| byte == 0xff).count();
            let marker = *self.rest.get(at + skipped)?;
            self.rest = &self.rest[at + skipped + 1..];
            if marker != 0 {
                return Some(marker);
            }
        }
    }

    /// The content of the segment after a marker.
    fn content(&mut self) -> Result<&'a [u8]> {
        let length = self.rest.first_chunk().ok_or(DecodeError::Truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length < 2 {
            return Err(DecodeError::broken(format_args!("a segment of {length} bytes")));
        }
        let (segment, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(&segment[2..])
    }
}

impl<'a> JpegStructure<'a> {
    /// Follows the markers of a file that begins with the start-of-image marker.
    ///
    /// # Errors
    /// Where there is no scan: why this is no picture, or none that is decoded here. An error after
    /// the first scan is how the picture ends.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut parser = Parser::default();
        let mut segments = Segments { rest: bytes.get(2..).unwrap_or_default() };
        let ending = loop {
            match parser.next(&mut segments) {
                Ok(false) => {}
                Ok(true) => break Ending::Marker,
                Err(error @ DecodeError::Scans { .. }) => return Err(error),
                Err(error) if parser.scans == 0 => return Err(error),
                Err(DecodeError::Truncated) => break Ending::File,
                Err(error) => break Ending::Broken(error),
            }
        };
        let Parser { frame, parts, scans, exif, jfif, adobe, of_film, code_of_ones, .. } = parser;
        let frame = frame.filter(|_| scans > 0);
        let frame = frame.ok_or_else(|| DecodeError::broken("it ends before its first scan"))?;
        let colours = Colours::of(&frame.components, jfif, adobe);
        Ok(Self { frame, colours, parts, ending, exif, of_film, code_of_ones })
    }

    pub(super) fn scans(&self) -> impl Iterator<Item = &Scan<'a>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Scan(scan) => Some(scan),
            _ => None,
        })
    }

    /// The number of blocks that all scans together visit.
    pub(super) fn work(&self) -> usize {
        self.scans().map(|scan| scan.blocks(&self.frame)).sum()
    }

    /// Whether its components are in several scans of a sequential JPEG.
    pub(super) fn has_separate_scans(&self) -> bool {
        let all = self.frame.components.len();
        !self.frame.is_progressive() && self.scans().any(|scan| scan.components.len() < all)
    }

    /// The number of samples of all components, in whole blocks.
    pub(super) fn samples(&self) -> usize {
        let blocks = self.frame.components.iter().map(|c| self.frame.blocks_in_units(c));
        blocks.sum::<usize>() * 64
    }

    /// Whether every marker speaks for a whole picture: only its data can tell otherwise.
    pub(super) fn looks_whole(&self) -> bool {
        let bits = self.missing_bits();
        let every_scan = self.scans().all(|scan| scan.looks_whole(&self.frame));
        self.ending == Ending::Marker && !self.code_of_ones && !bits && every_scan
    }

    /// Whether a coefficient of a component is in no scan, or some of its bits are.
    pub(super) fn missing_bits(&self) -> bool {
        let mut positions = vec![[None; 64]; self.frame.components.len()];
        for scan in self.scans() {
            for component in &scan.components {
                positions[component.index][scan.first..=scan.last].fill(Some(scan.low));
            }
        }
        positions.iter().flatten().any(|&low| low != Some(0))
    }
}

/// What is known of a JPEG while its segments are read.
#[derive(Default)]
struct Parser<'a> {
    frame: Option<Frame>,
    parts: Vec<Part<'a>>,
    scans: usize,
    interval: usize,
    exif: Option<&'a [u8]>,
    jfif: bool,
    adobe: Option<u8>,
    of_film: bool,
    code_of_ones: bool,
}

impl<'a> Parser<'a> {
    /// Reads one segment; whether it was the end-of-image marker.
    fn next(&mut self, segments: &mut Segments<'a>) -> Result<bool> {
        let marker = segments.marker().ok_or(DecodeError::Truncated)?;
        match marker {
            0xd9 => return Ok(true),
            0xd0..=0xd7 | 0x01 => {}
            0xd8 => return Err(DecodeError::broken("a second start-of-image marker")),
            0xdb => {
                let content = segments.content()?;
                quantization_tables(content)?;
                self.parts.push(Part::Quantization(content));
            }
            0xc4 => {
                let content = segments.content()?;
                let ones = huffman_tables(content)?.iter().any(|table| table.has_code_of_ones());
                self.code_of_ones |= ones;
                self.parts.push(Part::Huffman(content));
            }
            0xdd => {
                let content = segments.content()?;
                let interval = <[u8; 2]>::try_from(content);
                let interval = interval.map_err(|_| DecodeError::broken("its restart interval"))?;
                self.interval = usize::from(u16::from_be_bytes(interval));
                self.parts.push(Part::RestartInterval(content));
            }
            0xdc => self.number_of_lines(segments.content()?),
            0xda => self.scan(segments)?,
            0xc0..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xde | 0xf7 => {
                if self.frame.is_some() {
                    return Err(DecodeError::broken("a second frame"));
                }
                self.frame = Some(Frame::parse(marker, segments.content()?)?);
                self.parts.push(Part::Frame);
            }
            0xe0..=0xef => self.application(marker, segments.content()?),
            0xcc | 0xfe => drop(segments.content()?),
            _ => return Err(DecodeError::broken(format_args!("an unknown marker ff{marker:02x}"))),
        }
        Ok(false)
    }

    fn scan(&mut self, segments: &mut Segments<'a>) -> Result<()> {
        let missing = || DecodeError::broken("a scan before its frame");
        let (content, frame) = (segments.content()?, self.frame.as_ref().ok_or_else(missing)?);
        self.scans += 1;
        if self.scans > MAX_SCANS {
            let scans = memchr::memmem::find_iter(segments.rest, b"\xff\xda").count();
            return Err(DecodeError::Scans { scans: self.scans + scans, limit: MAX_SCANS });
        }
        let scan = Scan::parse(frame, content, self.interval, segments.rest);
        let scan = scan.inspect_err(|_| self.scans -= 1)?;
        segments.rest = &segments.rest[scan.data.len()..];
        self.parts.push(Part::Scan(scan));
        Ok(())
    }

    /// DNL: the height, where the frame header has none.
    fn number_of_lines(&mut self, content: &[u8]) {
        let height = content.first_chunk().map(|lines| u16::from_be_bytes(*lines));
        let frame = self.frame.as_mut().filter(|frame| frame.height == 0);
        if let (Some(frame), Some(height)) = (frame, height) {
            frame.height = usize::from(height);
        }
    }

    fn application(&mut self, marker: u8, content: &'a [u8]) {
        if self.scans > 0 {
            return;
        }
        match marker {
            0xe0 if content.starts_with(b"JFIF\0") && content.len() >= 14 => self.jfif = true,
            0xe0 if content.starts_with(b"AVI1\0") => self.of_film = true,
            0xe1 => self.exif = content.strip_prefix(b"Exif\0\0").or(self.exif),
            0xee if content.starts_with(b"Adobe") => {
                self.adobe = content.get(11).copied().or(self.adobe);
            }
            _ => {}
        }
    }
}
