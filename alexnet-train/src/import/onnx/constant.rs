//! A constant of a graph: its sizes, and where its numbers lie.

use std::ops::Range;

use crate::import::file::SourceFile;
use crate::import::problem::{Problem, Result, quoted};
use crate::import::protobuf::{Field, Message, Value};
use crate::import::source::{Dtype, MOST_SIZES, Place, SourceTensor};
use crate::onnx::messages::Element;

/// The pieces of a constant's numbers, of which there is one in all files that are known.
const MOST_PIECES: usize = 64;

/// A constant.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    dtype: Dtype,
    pieces: Vec<Range<u64>>,
    /// Why it cannot be weights, although it has numbers.
    refused: Option<&'static str>,
}

/// The name of a constant, `TensorProto`, and what it is.
pub(super) fn read(file: &mut SourceFile, range: Range<u64>) -> Result<(String, Constant)> {
    let mut message = Message::new(range);
    let (mut name, mut sizes, mut element) = (String::new(), Vec::new(), 0);
    let (mut pieces, mut refused) = (Vec::new(), None);
    while let Some(Field { number, value }) = message.next(file)? {
        match number {
            1 => {
                sizes.extend(value.integers(file, MOST_SIZES)?);
                if sizes.len() > MOST_SIZES {
                    let problem = Problem::new("a constant of the graph has too many sizes");
                    return Err(problem.expected(format!("at most {MOST_SIZES}"), sizes.len()));
                }
            }
            2 => element = value.integer()?,
            8 => name = value.text(file)?,
            // Numbers of any kind, of f32, of f64: little-endian, one after another.
            4 | 9 | 10 => match value {
                Value::Bytes(range) if range.is_empty() => {}
                Value::Bytes(range) if pieces.len() < MOST_PIECES => pieces.push(range),
                _ => refused = Some("its numbers stand singly"),
            },
            3 => refused = Some("it is a segment of a larger one"),
            5 => refused = Some("its numbers are widened to 32 bits"),
            13 => refused = Some(EXTERNAL),
            14 if value.clone().integer()? == 1 => refused = Some(EXTERNAL),
            _ => {}
        }
    }
    let shape = sizes.iter().map(|size| usize::try_from(*size)).collect::<Result<_, _>>();
    let shape = shape.map_err(|_| Problem::new("its sizes cannot be").of(&name))?;
    let dtype = match i32::try_from(element).ok().and_then(|it| Element::try_from(it).ok()) {
        Some(Element::F32) => Dtype::F32,
        Some(Element::F64) => Dtype::F64,
        Some(Element::F16) => Dtype::F16,
        Some(Element::BF16) => Dtype::Bf16,
        Some(Element::I64) => Dtype::Other("integers of 64 bits", 8),
        _ => Dtype::Other("numbers of another kind", 1),
    };
    if refused == Some(EXTERNAL) && !matches!(dtype, Dtype::Other(..)) {
        return Err(external(&name));
    }
    Ok((name, Constant { shape, dtype, pieces, refused }))
}

const EXTERNAL: &str = "its numbers are in another file";

/// No other file is opened because a file says so.
fn external(name: &str) -> Problem {
    let what = format!("the numbers of {} are in another file (external data)", quoted(name));
    Problem::new(what).advice(
        "save it as one file: onnx.save(onnx.load(f), g), or torch.onnx.export(…, \
         external_data=False)",
    )
}

impl Constant {
    /// The tensor of this name that it is.
    pub(super) fn tensor(self, name: String) -> Result<SourceTensor> {
        let Self { shape, dtype, pieces, refused } = self;
        match refused {
            None => {
                let place = Place::Ranges(pieces);
                Ok(SourceTensor { name, shape, dtype, place, crc32: None })
            }
            Some(reason) => Err(Problem::new(reason)
                .of(&name)
                .advice("save it again: onnx.save(onnx.load(f), g), with weights in f32")),
        }
    }

    /// The matrix of this name that is this one with rows and columns exchanged.
    pub(super) fn transposed(self, name: String) -> Result<SourceTensor> {
        let tensor = self.tensor(name)?;
        let (Place::Ranges(pieces), [rows, columns]) = (&tensor.place, &tensor.shape[..]) else {
            return Ok(tensor); // it has no rows and columns, and another shape than any weight
        };
        let [range] = &pieces[..] else {
            return Err(Problem::new("its numbers lie in several pieces").of(&tensor.name));
        };
        let (strides, shape) = (vec![1, *columns], vec![*columns, *rows]);
        let place = Place::Strided { range: range.clone(), strides };
        Ok(SourceTensor { place, shape, ..tensor })
    }
}
