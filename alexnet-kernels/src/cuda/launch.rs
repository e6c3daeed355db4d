//! Launches as plain data: a kernel, its grid and its arguments.
//!
//! The same description runs on a GPU (feature `cuda`) and, in a test, on the kernels built for the
//! host with every access checked, where a wrong order of arguments or a grid that is too small
//! shows without a GPU. Each operation describes its launches in its `launch.rs`; its kernels are
//! in the `.cu` file beside that. Tensors are row-major `(B, H, W, C)`.
//!
//! An operation describes no launch over buffers whose sizes do not fit each other, or whose
//! elements are more than the 2³² that kernels count: all functions give an error then.

use candle_core::{DType, Result, bail};

/// How an activation or a gradient is stored. All arithmetic is in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// bfloat16: 16-bit floats with the exponent of 32-bit ones.
    Bf16,
}

impl Storage {
    /// The storage of tensors of a dtype.
    ///
    /// # Errors
    ///
    /// A dtype that is neither.
    pub fn of(dtype: DType) -> Result<Self> {
        match dtype {
            DType::F32 => Ok(Self::F32),
            DType::BF16 => Ok(Self::Bf16),
            _ => bail!("expected f32 or bf16, got {dtype:?}"),
        }
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        DType::from(self).size_in_bytes()
    }

    /// The type's name in the names of kernels.
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

impl From<Storage> for DType {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::F32 => Self::F32,
            Storage::Bf16 => Self::BF16,
        }
    }
}

/// A buffer: its address and its length; none where both are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Span {
    /// Address of the first element.
    pub address: u64,
    /// Number of elements, of the size that the kernel assumes.
    pub length: u64,
}

impl Span {
    /// Part `number` of so many equal parts; an element has so many bytes.
    #[cfg(feature = "cuda")]
    pub(crate) fn part(self, number: usize, parts: usize, bytes: usize) -> Self {
        let length = self.length / parts as u64;
        Self { address: self.address + number as u64 * length * bytes as u64, length }
    }

    /// Refuses a length other than `expected`, with which a kernel would leave the buffer.
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
    /// A size, a flag, or a word of a random generator's key.
    U32(u32),
    /// An offset.
    I32(i32),
    /// A constant.
    F32(f32),
}

/// One launch of one kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The `.cu` file, without its extension.
    pub module: &'static str,
    /// The kernel's name.
    pub kernel: String,
    /// Blocks along x and y.
    pub grid: [u32; 2],
    /// Threads per block.
    pub block: u32,
    /// The arguments in the kernel's order.
    pub arguments: Vec<Argument>,
}

/// Threads per block of kernels whose threads are independent.
const BLOCK: usize = 256;

impl Launch {
    /// A launch of `threads` independent threads; its first arguments are `spans` and `threads`.
    pub(crate) fn each(
        module: &'static str,
        kernel: String,
        spans: &[Span],
        threads: usize,
    ) -> Result<Self> {
        let Ok(count) = u32::try_from(threads) else {
            bail!("{kernel}: {threads} threads are more than kernels count; use a smaller batch")
        };
        let mut arguments: Vec<Argument> = spans.iter().copied().map(Argument::Span).collect();
        arguments.push(Argument::U32(count));
        let grid = [threads.div_ceil(BLOCK) as u32, 1];
        Ok(Self { module, kernel, grid, block: BLOCK as u32, arguments })
    }

    /// A launch over `rows` of `per_row` independent threads; its first arguments are `spans` and
    /// `per_row`. A block has threads of one row, whose number is `blockIdx.x`.
    pub(crate) fn rows(
        module: &'static str,
        kernel: String,
        spans: &[Span],
        rows: usize,
        per_row: usize,
    ) -> Result<Self> {
        // Blocks of one size, in warps of 32 threads, the last of which lacks few.
        let parts = per_row.div_ceil(BLOCK);
        let block = per_row.div_ceil(parts).next_multiple_of(32) as u32;
        let (Ok(across), Ok(down)) = (i32::try_from(rows), u16::try_from(parts)) else {
            bail!("{kernel}: {rows} rows of {per_row} are more than a grid has")
        };
        let grid = [across as u32, down.into()];
        let arguments = spans.iter().copied().map(Argument::Span).collect();
        Self { module, kernel, grid, block, arguments }.sizes(&[per_row])
    }

    /// Appends sizes.
    pub(crate) fn sizes(mut self, sizes: &[usize]) -> Result<Self> {
        for &size in sizes {
            let Ok(size) = u32::try_from(size) else {
                bail!("{}: a size of {size} is more than the kernels count", self.kernel)
            };
            self.arguments.push(Argument::U32(size));
        }
        Ok(self)
    }

    /// Appends words and flags.
    pub(crate) fn words(mut self, words: &[u32]) -> Self {
        self.arguments.extend(words.iter().copied().map(Argument::U32));
        self
    }

    /// Appends constants.
    pub(crate) fn floats(mut self, floats: &[f32]) -> Self {
        self.arguments.extend(floats.iter().copied().map(Argument::F32));
        self
    }

    /// Appends offsets.
    pub(crate) fn offsets(mut self, offsets: &[i32]) -> Self {
        self.arguments.extend(offsets.iter().copied().map(Argument::I32));
        self
    }
}

/// How many neighbouring elements a thread computes: `vector` where that divides `row`, the length
/// of a row, and every buffer, given with the bytes of its elements, is aligned for accesses of
/// that width; else one.
pub(crate) fn width(vector: usize, row: usize, spans: &[(Span, usize)]) -> usize {
    let fits = |(span, bytes): &(Span, usize)| span.address.is_multiple_of((vector * bytes) as u64);
    if row.is_multiple_of(vector) && spans.iter().all(fits) { vector } else { 1 }
}

/// Refuses buffers of different lengths; the length of all.
pub(crate) fn check_equal(what: &str, spans: &[Span]) -> Result<usize> {
    let elements = spans.first().map_or(0, |span| span.length as usize);
    spans.iter().try_for_each(|span| span.check(what, elements))?;
    Ok(elements)
}

/// A launch of the elementwise kernel `op` of file `module`, over buffers of one size, a thread per
/// vector.
pub(crate) fn elementwise(
    module: &'static str,
    storage: Storage,
    op: &str,
    vector: usize,
    spans: &[Span],
) -> Result<Launch> {
    let elements = check_equal(op, spans)?;
    let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
    let vector = width(vector, elements, &sized);
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    Launch::each(module, kernel, spans, elements / vector)
}

/// The size of one image's maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSize {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl MapSize {
    /// Elements of one image.
    pub(crate) fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }
}
