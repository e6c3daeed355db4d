//! Blobs of Caffe: the message `BlobProto`, an array of numbers.

use std::ops::Range;

use crate::import::file::SourceFile;
use crate::import::problem::{Problem, Result};
use crate::import::protobuf::{Field, Message, Value};
use crate::import::source::{Dtype, MOST_SIZES, Place, SourceTensor};

/// The most pieces that the numbers of a blob are in. Caffe writes one.
const MOST_PIECES: usize = 64;

/// An array of numbers.
#[derive(Debug, Default)]
pub(crate) struct Blob {
    /// `num`, `channels`, `height` and `width` of a blob of before 2015.
    four: [Option<u64>; 4],
    /// The sizes of a later one.
    shape: Option<Vec<u64>>,
    floats: Vec<Range<u64>>,
    doubles: Vec<Range<u64>>,
}

/// The one blob of a file: a mean image.
pub(crate) fn read_blob_file(file: &mut SourceFile) -> Result<SourceTensor> {
    let range = 0..file.length();
    read_blob(file, range)?.tensor("mean".to_owned(), false, 0)
}

/// The blob in a range of a file.
pub(crate) fn read_blob(file: &mut SourceFile, range: Range<u64>) -> Result<Blob> {
    let mut message = Message::new(range);
    let mut blob = Blob::default();
    while let Some(Field { number, value }) = message.next(file)? {
        match number {
            1..=4 => blob.four[number as usize - 1] = Some(value.integer()?),
            5 => add_piece(&mut blob.floats, value)?,
            8 => add_piece(&mut blob.doubles, value)?,
            7 => blob.shape = Some(read_shape(file, value.range()?)?),
            _ => {} // gradients
        }
    }
    Ok(blob)
}

/// Adds packed numbers, in the only way in which Caffe writes them.
fn add_piece(pieces: &mut Vec<Range<u64>>, value: Value) -> Result<()> {
    let Value::Bytes(range) = value else {
        let problem = Problem::new("it is damaged, or was not written by Caffe");
        return Err(problem.expected("packed numbers", "single ones"));
    };
    if pieces.len() == MOST_PIECES {
        let problem = Problem::new("it is damaged, or was not written by Caffe");
        return Err(problem.expected(format!("at most {MOST_PIECES} pieces of numbers"), "more"));
    }
    pieces.push(range);
    Ok(())
}

/// `BlobShape`.
fn read_shape(file: &mut SourceFile, range: Range<u64>) -> Result<Vec<u64>> {
    let (mut message, mut sizes) = (Message::new(range), Vec::new());
    while let Some(Field { number, value }) = message.next(file)? {
        if number == 1 {
            sizes.extend(value.integers(file, MOST_SIZES)?);
        }
        if sizes.len() > MOST_SIZES {
            let problem = Problem::new("it is damaged, or was not written by Caffe");
            return Err(problem.expected(format!("at most {MOST_SIZES} sizes"), sizes.len()));
        }
    }
    Ok(sizes)
}

impl Blob {
    /// The tensor of this name that it is: the `part`-th of its layer, which is `linear` or not.
    pub(crate) fn tensor(self, name: String, linear: bool, part: usize) -> Result<SourceTensor> {
        let shape = match self.shape {
            Some(shape) => shape,
            None => {
                // All four are there, those of 1 too: (1, 1, 1, N), (1, 1, O, I), (O, I, h, w).
                let four = self.four.map(|size| size.unwrap_or(1));
                let kept = match (part, linear) {
                    (0, true) => 2,
                    (0, false) => 4,
                    _ => 1,
                };
                let (ones, sizes) = four.split_at(4 - kept);
                if ones.iter().any(|size| *size != 1) {
                    let problem = Problem::new("its sizes are not those of its kind of layer");
                    let expected = format!("ones before the last {kept}");
                    return Err(problem.expected(expected, format!("{four:?}")).of(&name));
                }
                sizes.to_vec()
            }
        };
        let sizes = shape.iter().map(|size| usize::try_from(*size)).collect::<Result<_, _>>();
        let shape = sizes.map_err(|_| Problem::new("its sizes cannot be").of(&name))?;
        let (dtype, pieces) = match self.floats.is_empty() {
            true => (Dtype::F64, self.doubles),
            false => (Dtype::F32, self.floats),
        };
        Ok(SourceTensor { name, shape, dtype, place: Place::Ranges(pieces), crc32: None })
    }
}
