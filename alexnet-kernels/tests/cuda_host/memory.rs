//! Memory in the place of a GPU's: raw bytes, aligned or shifted by one element, and numbers to
//! fill it with.

use alexnet_kernels::launch::{Span, Storage};
use half::bf16;

/// One buffer.
#[derive(Clone, PartialEq)]
pub struct Memory {
    bytes: Vec<u128>, // 16-byte aligned, as a GPU's allocations at least are
    offset: usize,    // in bytes
    length: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    F32,
    Bf16,
    Bytes,
    Words,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Words => 4,
            Self::Bf16 => 2,
            Self::Bytes => 1,
        }
    }
}

impl Memory {
    /// Every bit set: NaN, 255, or 2³² − 1.
    fn new(kind: Kind, length: usize, shifted: bool) -> Self {
        let offset = if shifted { kind.bytes() } else { 0 };
        let bytes = vec![u128::MAX; (length * kind.bytes() + offset).div_ceil(16)];
        Self { bytes, offset, length, kind }
    }

    /// `length` activations that nobody has written yet.
    pub fn uninit(storage: Storage, length: usize, shifted: bool) -> Self {
        let kind = if storage == Storage::F32 { Kind::F32 } else { Kind::Bf16 };
        Self::new(kind, length, shifted)
    }

    /// `length` argmaxes, of 1 or 4 bytes, that nobody has written yet.
    pub fn uninit_argmax(bytes: usize, length: usize, shifted: bool) -> Self {
        Self::new(if bytes == 1 { Kind::Bytes } else { Kind::Words }, length, shifted)
    }

    /// Activations, rounded as `storage` rounds.
    pub fn of(values: &[f32], storage: Storage, shifted: bool) -> Self {
        let mut memory = Self::uninit(storage, values.len(), shifted);
        let parts: Vec<u8> = match memory.kind {
            Kind::Bf16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_ne_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        };
        memory.raw_mut().copy_from_slice(&parts);
        memory
    }

    pub fn bytes(values: &[u8], shifted: bool) -> Self {
        let mut memory = Self::new(Kind::Bytes, values.len(), shifted);
        memory.raw_mut().copy_from_slice(values);
        memory
    }

    pub fn words(values: &[u32], shifted: bool) -> Self {
        let mut memory = Self::new(Kind::Words, values.len(), shifted);
        let parts: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
        memory.raw_mut().copy_from_slice(&parts);
        memory
    }

    /// What a kernel gets.
    pub fn span(&self) -> Span {
        let address = self.bytes.as_ptr() as u64 + self.offset as u64;
        Span { address, length: self.length as u64 }
    }

    pub fn floats(&self) -> Vec<f32> {
        let raw = self.raw();
        match self.kind {
            Kind::F32 => raw.as_chunks::<4>().0.iter().map(|x| f32::from_ne_bytes(*x)).collect(),
            Kind::Bf16 => {
                let chunks = raw.as_chunks::<2>().0.iter();
                chunks.map(|x| bf16::from_ne_bytes(*x).to_f32()).collect()
            }
            kind => panic!("{kind:?} is no float"),
        }
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.length * self.kind.bytes()
    }

    fn raw(&self) -> &[u8] {
        // SAFETY: any bytes are bytes; the slice covers the vector's own memory.
        let all = unsafe {
            std::slice::from_raw_parts(self.bytes.as_ptr().cast::<u8>(), self.bytes.len() * 16)
        };
        &all[self.range()]
    }

    fn raw_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        // SAFETY: as in `raw`, and the borrow is unique.
        let all = unsafe {
            let start = self.bytes.as_mut_ptr().cast::<u8>();
            std::slice::from_raw_parts_mut(start, self.bytes.len() * 16)
        };
        &mut all[range]
    }

    /// Puts back what an earlier copy of this memory held; its address stays.
    pub fn restore(&mut self, earlier: &Self) {
        self.bytes.copy_from_slice(&earlier.bytes);
    }

    /// Whether both hold the same bits, around the buffer too.
    pub fn same_bits(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// Numbers for tests, the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 2012)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `low..=high`.
    pub fn size(&mut self, low: usize, high: usize) -> usize {
        low + (self.word() % (high - low + 1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.size(0, of.len() - 1)]
    }

    /// In −1..1, values that bf16 holds exactly, so that both storages see the same; a sixteenth of
    /// them are 0.
    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        let one = |word: u64| match word % 16 {
            0 => 0.0,
            _ => bf16::from_f32((word >> 40) as f32 / 8_388_608.0 - 1.0).to_f32(),
        };
        (0..n).map(|_| one(self.word())).collect()
    }
}
