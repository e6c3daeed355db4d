//! What to launch for each operation: the kernel, its grid and its arguments, and nothing of a driver.
//!
//! Plain data, so the same description runs on a card (feature `cuda`) and, in a test, on the kernels built for the
//! host with every access checked. A wrong order of arguments or a grid that is too small shows there, without a gpu.
//!
//! Kernels lie beside their operations, `ops/*/*.cu`. Tensors are rows of channels, row-major `(B, H, W, C)`.

use candle_core::{DType, Result, bail};

/// How an activation or a gradient is stored. All arithmetic is in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats with the exponent of 32-bit ones.
    Bf16,
}

impl Storage {
    /// The storage of a type of tensors.
    ///
    /// # Errors
    ///
    /// A type that is neither.
    pub fn of(dtype: DType) -> Result<Self> {
        match dtype {
            DType::F32 => Ok(Self::F32),
            DType::BF16 => Ok(Self::Bf16),
            _ => bail!("expected f32 or bf16, got {dtype:?}"),
        }
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// As the kernels' names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "float",
            Self::Bf16 => "bf16",
        }
    }

    /// Elements in the 16 bytes that one thread moves at a time.
    pub(crate) fn vector(self) -> usize {
        16 / self.bytes()
    }
}

/// A buffer: where it begins and how many elements it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Span {
    /// Address of the first element.
    pub address: u64,
    /// Elements, of whatever size the kernel takes.
    pub length: u64,
}

impl Span {
    /// Whether accesses of `bytes` at its start are aligned.
    fn aligned(self, bytes: usize) -> bool {
        self.address.is_multiple_of(bytes as u64)
    }

    /// Refuses another length than `expected`: a kernel would leave the buffer.
    pub(crate) fn check(self, what: &str, expected: usize) -> Result<()> {
        if self.length != expected as u64 {
            bail!("{what} has {} elements, {expected} are needed", self.length)
        }
        Ok(())
    }
}

/// One argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    /// A buffer.
    Span(Span),
    /// A number of something, a flag, or a word of a random generator's key.
    U32(u32),
    /// An offset.
    I32(i32),
    /// A constant.
    F32(f32),
}

/// One kernel over one grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The kernel's file, without its ending.
    pub module: &'static str,
    /// The kernel's name.
    pub kernel: String,
    /// Blocks in x and y.
    pub grid: [u32; 2],
    /// Threads of a block.
    pub block: u32,
    /// In the kernel's order.
    pub arguments: Vec<Argument>,
}

/// Threads of a block of kernels whose threads know nothing of each other.
const BLOCK: usize = 256;

impl Launch {
    /// One thread for each of `threads`, with `spans` and then `threads` as the first arguments.
    pub(crate) fn each(
        module: &'static str,
        kernel: String,
        spans: &[Span],
        threads: usize,
    ) -> Result<Self> {
        let Ok(count) = u32::try_from(threads) else {
            bail!(
                "{kernel}: {threads} threads are more than the kernels count; use a smaller batch"
            )
        };
        let mut arguments: Vec<Argument> = spans.iter().copied().map(Argument::Span).collect();
        arguments.push(Argument::U32(count));
        let grid = [threads.div_ceil(BLOCK) as u32, 1];
        Ok(Self { module, kernel, grid, block: BLOCK as u32, arguments })
    }

    /// The next arguments, sizes and flags.
    pub(crate) fn sizes(mut self, sizes: &[usize]) -> Result<Self> {
        for &size in sizes {
            let Ok(size) = u32::try_from(size) else {
                bail!("{}: a size of {size} is more than the kernels count", self.kernel)
            };
            self.arguments.push(Argument::U32(size));
        }
        Ok(self)
    }

    /// The next arguments, words.
    pub(crate) fn words(mut self, words: &[u32]) -> Self {
        self.arguments.extend(words.iter().copied().map(Argument::U32));
        self
    }

    /// The next arguments, constants.
    pub(crate) fn floats(mut self, floats: &[f32]) -> Self {
        self.arguments.extend(floats.iter().copied().map(Argument::F32));
        self
    }

    /// The next arguments, offsets.
    pub(crate) fn offsets(mut self, offsets: &[i32]) -> Self {
        self.arguments.extend(offsets.iter().copied().map(Argument::I32));
        self
    }
}

/// `vector` neighbours a thread where rows of `row` elements divide into them and every buffer, given with the bytes
/// of its elements, allows such accesses; else one.
pub(crate) fn width(vector: usize, row: usize, spans: &[(Span, usize)]) -> usize {
    let aligned = spans.iter().all(|(span, bytes)| span.aligned(vector * bytes));
    if row.is_multiple_of(vector) && aligned { vector } else { 1 }
}

/// The kernel `op` of file `module`, one thread for each vector of buffers of one size.
pub(crate) fn elementwise(
    module: &'static str,
    storage: Storage,
    op: &str,
    vector: usize,
    spans: &[Span],
) -> Result<Launch> {
    let elements = spans[0].length as usize;
    for span in spans {
        span.check(op, elements)?;
    }
    let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
    let vector = width(vector, elements, &sized);
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    Launch::each(module, kernel, spans, elements / vector)
}

/// Size of the maps of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSize {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}
