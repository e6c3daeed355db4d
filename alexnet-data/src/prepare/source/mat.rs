//! Reads the synsets in `meta.mat` of a development kit: the necessary part of MAT version 5.
//!
//! A MAT file is a header of 128 bytes and a sequence of elements, each a type, a length and its
//! bytes. An element may be compressed with zlib, and a matrix is an element that consists of
//! elements.

use flate2::read::ZlibDecoder;
use std::io::Read;

/// The most bytes that an element is inflated to; the largest known `meta.mat` needs 9 MB.
const MAX_INFLATED: u64 = 1 << 26;

const INT32: u32 = 5;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// The classes of matrices that are read.
const STRUCT: u8 = 2;
const TEXT: u8 = 4;

/// One synset of WordNet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synset {
    /// Its number in the kit, from 1.
    pub(crate) id: u32,
    pub(crate) wnid: String,
    pub(crate) words: String,
    /// Whether it has no synsets below it; only those are classes.
    pub(crate) leaf: bool,
}

/// The bytes that are yet to be read.
#[derive(Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) =
            self.0.split_at_checked(n).ok_or("an element reaches beyond the end")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    /// The next element: its type and its bytes.
    fn element(&mut self) -> Result<(u32, &'a [u8]), String> {
        let kind = self.u32()?;
        if kind >> 16 != 0 {
            // The short form has the length and the type in one word, and the bytes in the next.
            let bytes = self.take(4)?;
            let bytes = bytes.get(..(kind >> 16) as usize);
            return Ok((kind & 0xffff, bytes.ok_or("a short element of more than four bytes")?));
        }
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        if kind != COMPRESSED {
            // Padding, which the last element may lack.
            self.0 = &self.0[((8 - length % 8) % 8).min(self.0.len())..];
        }
        Ok((kind, bytes))
    }

    /// The next element, which must be a matrix.
    fn matrix(&mut self) -> Result<Matrix<'a>, String> {
        match self.element()? {
            (MATRIX, bytes) => Matrix::parse(bytes),
            (kind, _) => Err(format!("an element of type {kind} where a matrix should be")),
        }
    }
}

/// A matrix whose class and name have been read.
struct Matrix<'a> {
    class: u8,
    elements: usize,
    name: String,
    rest: Input<'a>,
}

impl<'a> Matrix<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut rest = Input(bytes);
        if bytes.is_empty() {
            return Ok(Self { class: 0, elements: 0, name: String::new(), rest });
        }
        let (_, flags) = rest.element()?;
        let class = *flags.first().ok_or("a matrix without flags")?;
        let (kind, dims) = rest.element()?;
        if kind != INT32 {
            return Err("a matrix without dimensions".into());
        }
        let sides = dims.as_chunks::<4>().0.iter().map(|&d| u32::from_le_bytes(d) as usize);
        let elements = sides.fold(1usize, usize::saturating_mul);
        let (_, name) = rest.element()?;
        Ok(Self { class, elements, name: String::from_utf8_lossy(name).into(), rest })
    }

    fn text(mut self) -> Result<String, String> {
        let (kind, bytes) = self.rest.element()?;
        match (self.class, kind) {
            (TEXT, 4 | 17) => {
                let units = bytes.as_chunks::<2>().0.iter().map(|&u| u16::from_le_bytes(u));
                let text = char::decode_utf16(units);
                Ok(text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
            }
            (TEXT, 1 | 2 | 16) => Ok(String::from_utf8_lossy(bytes).into()),
            _ => Err("a field that should be text and is not".into()),
        }
    }

    fn number(mut self) -> Result<f64, String> {
        let (kind, bytes) = self.rest.element()?;
        let number = match (kind, bytes) {
            (1, [b, ..]) => f64::from(*b as i8),
            (2, [b, ..]) => f64::from(*b),
            (3, [a, b, ..]) => f64::from(i16::from_le_bytes([*a, *b])),
            (4, [a, b, ..]) => f64::from(u16::from_le_bytes([*a, *b])),
            (5, [a, b, c, d, ..]) => f64::from(i32::from_le_bytes([*a, *b, *c, *d])),
            (6, [a, b, c, d, ..]) => f64::from(u32::from_le_bytes([*a, *b, *c, *d])),
            (7, [a, b, c, d, ..]) => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
            (9, b) => f64::from_le_bytes(*b.first_chunk().ok_or("half a number")?),
            _ => return Err(format!("a number of the unknown type {kind}")),
        };
        Ok(number)
    }
}

/// The synsets in the bytes of a `meta.mat`; the error is a reason on one line.
pub(crate) fn synsets(bytes: &[u8]) -> Result<Vec<Synset>, String> {
    if !bytes.starts_with(b"MATLAB 5.0") || bytes.get(126..128) != Some(b"IM") {
        return Err("is no little-endian MAT file of version 5".into());
    }
    let mut input = Input(&bytes[128..]);
    while !input.0.is_empty() {
        let (kind, element) = input.element()?;
        let mut inflated = Vec::new();
        let matrix = match kind {
            COMPRESSED => {
                let read = ZlibDecoder::new(element).take(MAX_INFLATED).read_to_end(&mut inflated);
                read.map_err(|e| format!("cannot be inflated: {e}"))?;
                Input(&inflated).matrix()?
            }
            MATRIX => Matrix::parse(element)?,
            _ => continue,
        };
        if matrix.name == "synsets" && matrix.class == STRUCT {
            return structs(matrix);
        }
    }
    Err("holds no struct array `synsets`".into())
}

fn structs(matrix: Matrix<'_>) -> Result<Vec<Synset>, String> {
    let mut rest = matrix.rest;
    let (_, length) = rest.element()?;
    let length = length.first_chunk().map_or(0, |&l| u32::from_le_bytes(l) as usize);
    if !(1..=1024).contains(&length) {
        return Err(format!("field names of {length} bytes"));
    }
    let name = |n: &[u8]| {
        let end = n.iter().position(|&b| b == 0).unwrap_or(n.len());
        String::from_utf8_lossy(&n[..end]).into_owned()
    };
    let fields: Vec<_> = rest.element()?.1.chunks_exact(length).map(name).collect();
    if fields.is_empty() {
        return Err("synsets without fields".into());
    }
    let mut synsets = Vec::new();
    for _ in 0..matrix.elements {
        let mut synset = Synset { id: 0, wnid: String::new(), words: String::new(), leaf: false };
        for field in &fields {
            let value = rest.matrix()?;
            match field.as_str() {
                "ILSVRC2012_ID" | "ILSVRC2010_ID" => synset.id = value.number()? as u32,
                "WNID" => synset.wnid = value.text()?,
                "words" => synset.words = value.text()?,
                "num_children" => synset.leaf = value.number()? == 0.0,
                _ => {}
            }
        }
        synsets.push(synset);
    }
    Ok(synsets)
}
