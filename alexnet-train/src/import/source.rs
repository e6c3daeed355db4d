//! What a file of weights of others holds, whatever its format: named tensors that were not read
//! yet, and what else it says.

use std::ops::Range;

use super::operation::Operation;
use super::problem::{Problem, Result, quoted};

/// The most tensors of a file. An AlexNet has 16.
pub(crate) const MOST_TENSORS: usize = 4096;

/// The most sizes of a tensor. A convolution's weight has 4.
pub(crate) const MOST_SIZES: usize = 8;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Source {
    /// The kind of file, as messages call it: `PyTorch file`.
    pub(crate) kind: &'static str,
    /// Its bytes.
    pub(crate) length: u64,
    /// Its tensors.
    pub(crate) tensors: Vec<SourceTensor>,
    /// The words of [`ORDERED`](super::operation::ORDERED) for its layers, first to last, where the
    /// file says that; or empty.
    pub(crate) layers: Vec<&'static str>,
    /// What those layers compute, as far as the file says it: one for each of `layers`, or empty.
    pub(crate) constants: Vec<Option<Operation>>,
    /// Its operations with their constants, where the file says all of them; or empty.
    pub(crate) operations: Vec<Operation>,
    /// Channels, height and width of what the network takes, where the file says that.
    pub(crate) input: Option<[usize; 3]>,
    /// Whether tensors that are no weights may be among them, as the constants of a graph.
    pub(crate) has_others: bool,
    /// Our description of the weights, where an export of this program wrote one along.
    pub(crate) description: Option<String>,
}

impl Source {
    /// A file of `length` bytes without tensors, to which they are added.
    pub(crate) fn new(kind: &'static str, length: u64) -> Self {
        Self {
            kind,
            length,
            tensors: Vec::new(),
            layers: Vec::new(),
            constants: Vec::new(),
            operations: Vec::new(),
            input: None,
            has_others: false,
            description: None,
        }
    }

    /// Adds a tensor, whose values lie where they are said to lie.
    pub(crate) fn add(&mut self, tensor: SourceTensor) -> Result<()> {
        if self.tensors.len() == MOST_TENSORS {
            let problem = Problem::new("it is not the weights of an AlexNet");
            return Err(problem.expected(format!("at most {MOST_TENSORS} tensors"), "more"));
        }
        if self.tensors.iter().any(|known| known.name == tensor.name) {
            let what = format!("two of its tensors are called {}", quoted(&tensor.name));
            return Err(Problem::new(what));
        }
        self.tensors.push(tensor);
        Ok(())
    }
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceTensor {
    /// Its name there.
    pub(crate) name: String,
    /// Its sizes, outermost first.
    pub(crate) shape: Vec<usize>,
    /// What its numbers are.
    pub(crate) dtype: Dtype,
    /// Where they lie.
    pub(crate) place: Place,
    /// The CRC-32 of the bytes of its place, where the file has it.
    pub(crate) crc32: Option<u32>,
}

/// Where the numbers of a tensor lie in the file, each little-endian.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// In their order, in these ranges one after another.
    Ranges(Vec<Range<u64>>),
    /// Within a range, so many numbers from one index of each dimension to the next.
    Strided {
        /// From the first number to behind the last.
        range: Range<u64>,
        /// One for each size.
        strides: Vec<usize>,
    },
}

/// What the numbers of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    /// 64 bits.
    F64,
    /// 32 bits.
    F32,
    /// 16 bits, IEEE.
    F16,
    /// 16 bits, the first half of 32.
    Bf16,
    /// No floating-point numbers: its name, and its bytes.
    Other(&'static str, usize),
}

impl Dtype {
    /// The bytes of a number.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_, bytes) => bytes as u64,
        }
    }
}

impl SourceTensor {
    /// How many numbers it has; an error where no machine could hold them.
    pub(crate) fn count(&self) -> Result<u64> {
        count(&self.shape).ok_or_else(|| {
            let what = format!("its sizes {:?} cannot be", self.shape);
            Problem::new(what).of(&self.name)
        })
    }

    /// The bytes of its numbers.
    pub(crate) fn length(&self) -> Result<u64> {
        Ok(self.count()? * self.dtype.bytes())
    }
}

/// The product of sizes, if it is below 2⁴⁸, so that its bytes can be counted too.
pub(crate) fn count(shape: &[usize]) -> Option<u64> {
    let product = shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size as u64));
    product.filter(|count| *count < 1 << 48)
}
