//! What a layer of Caffe computes besides its blobs: the messages `ConvolutionParameter`,
//! `PoolingParameter` and `LRNParameter`, of the same fields in both versions of layers.

use std::ops::Range;

use crate::import::file::SourceFile;
use crate::import::operation::{Operation, Windows};
use crate::import::problem::{Problem, Result};
use crate::import::protobuf::{Field, Message, Value};

/// The fields of one of these messages; a later value takes the place of an earlier one.
struct Fields(Vec<Field>);

/// The most fields that are looked at. A layer has at most twenty.
const MOST_FIELDS: usize = 64;

/// The convolution that a message says.
pub(super) fn convolution(file: &mut SourceFile, range: Range<u64>) -> Result<Operation> {
    let fields = Fields::read(file, range)?;
    let one = |number, default| fields.size(number, default);
    if one(18, 1)? != 1 {
        let problem = Problem::new("a convolution of it has windows with holes");
        return Err(problem.advice("this program has no preset for that network"));
    }
    let (kernel, pad, stride) = ([4, 11, 12], [3, 9, 10], [6, 13, 14]);
    let [top, left] = fields.sides(pad, 0)?;
    let windows = Windows {
        kernel: fields.sides(kernel, 0)?,
        strides: fields.sides(stride, 1)?,
        pads: [top, left, top, left],
        ceil: false,
    };
    Ok(Operation::Conv { windows, groups: one(5, 1)? })
}

/// The pooling that a message says.
pub(super) fn pooling(file: &mut SourceFile, range: Range<u64>) -> Result<Operation> {
    let fields = Fields::read(file, range)?;
    let [top, left] = fields.sides([4, 9, 10], 0)?;
    let windows = Windows {
        kernel: fields.sides([2, 5, 6], 0)?,
        strides: fields.sides([3, 7, 8], 1)?,
        pads: [top, left, top, left],
        ceil: fields.size(13, 0)? == 0, // the last window hangs over, unless it says otherwise
    };
    match fields.size(1, 0)? {
        0 => Ok(Operation::MaxPool(windows)),
        1 => Ok(Operation::AvgPool(windows)),
        _ => {
            let problem = Problem::new("a pooling of it is neither of maxima nor of means");
            Err(problem.advice("this program has no preset for that network"))
        }
    }
}

/// The normalization that a message says.
pub(super) fn normalization(file: &mut SourceFile, range: Range<u64>) -> Result<Operation> {
    let fields = Fields::read(file, range)?;
    if fields.size(4, 0)? != 0 {
        let problem = Problem::new("a normalization of it is over pixels, not over channels");
        return Err(problem.advice("this program has no preset for that network"));
    }
    let constants = [fields.float(2, 1.0)?, fields.float(3, 0.75)?, fields.float(5, 1.0)?];
    Ok(Operation::Lrn { n: fields.size(1, 5)?, constants })
}

impl Fields {
    fn read(file: &mut SourceFile, range: Range<u64>) -> Result<Self> {
        let (mut message, mut fields) = (Message::new(range), Vec::new());
        while let Some(Field { number, value }) = message.next(file)? {
            if fields.len() == MOST_FIELDS {
                let problem = Problem::new("it is damaged, or was not written by Caffe");
                return Err(problem.expected(format!("at most {MOST_FIELDS} fields"), "more"));
            }
            // Sizes of several dimensions come one by one, or packed.
            match value {
                Value::Bytes(range) => {
                    let values = Value::Bytes(range).integers(file, MOST_FIELDS);
                    let values = values.unwrap_or_default(); // a message of no interest
                    let field = |value| Field { number, value: Value::Varint(value) };
                    fields.extend(values.into_iter().map(field));
                }
                value => fields.push(Field { number, value }),
            }
        }
        Ok(Self(fields))
    }

    /// The values of a field.
    fn all(&self, number: u32) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |field| field.number == number).map(|field| &field.value)
    }

    fn size(&self, number: u32, default: usize) -> Result<usize> {
        let last = self.all(number).last().cloned();
        let value = last.map_or(Ok(default as u64), Value::integer)?;
        usize::try_from(value).map_err(|_| Problem::new("its sizes cannot be"))
    }

    fn float(&self, number: u32, default: f32) -> Result<f32> {
        match self.all(number).last() {
            None => Ok(default),
            Some(Value::Fixed32(bits)) => Ok(f32::from_bits(*bits)),
            Some(other) => Err(Problem::new("it is damaged, or was not written by Caffe")
                .expected("a number of 32 bits", format!("{other:?}"))),
        }
    }

    /// Height and width: a field for both, or for one after another; or a field for each.
    fn sides(&self, [both, height, width]: [u32; 3], default: usize) -> Result<[usize; 2]> {
        let said: Vec<_> = self.all(both).cloned().map(Value::integer).collect::<Result<_>>()?;
        let sides = match said[..] {
            [] => [default as u64; 2],
            [side] => [side; 2],
            [first, second, ..] => [first, second],
        };
        let side = |place: usize| {
            let side = usize::try_from(sides[place]);
            side.map_err(|_| Problem::new("its sizes cannot be"))
        };
        Ok([self.size(height, side(0)?)?, self.size(width, side(1)?)?])
    }
}
