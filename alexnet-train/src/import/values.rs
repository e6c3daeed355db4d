//! The numbers of a tensor of a foreign file, in f32 and in their order.

use std::ops::Range;

use half::{bf16, f16};

use super::file::SourceFile;
use super::problem::{Problem, Result};
use super::source::{Dtype, Place, SourceTensor};

/// Bytes that are converted together.
const CHUNK: usize = 1 << 16;

/// Reads a tensor's numbers. It takes the memory of the result, except where they do not lie in
/// their order; then also that of the range in which they lie.
pub(crate) fn read(file: &mut SourceFile, tensor: &SourceTensor) -> Result<Vec<f32>> {
    let SourceTensor { name, shape, dtype, place, crc32 } = tensor;
    let length = tensor.length()?;
    if length > file.length() {
        let problem = Problem::new("it has more bytes than its file").of(name);
        return Err(problem.expected(format!("at most {}", file.length()), length));
    }
    match place {
        Place::Ranges(ranges) => {
            let found: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            if found != length {
                let what = format!("its sizes {shape:?} and its bytes disagree");
                return Err(Problem::new(what).expected(length, found).of(name));
            }
            let mut hasher = crc32fast::Hasher::new();
            let values = in_order(file, ranges, *dtype, &mut hasher).map_err(|p| p.of(name))?;
            let got = hasher.finalize();
            match crc32 {
                Some(expected) if *expected != got => {
                    let problem = Problem::new("it is damaged: its checksum is another");
                    Err(problem.expected(format!("{expected:08x}"), format!("{got:08x}")).of(name))
                }
                _ => Ok(values),
            }
        }
        Place::Strided { range, strides } => {
            let mut hasher = crc32fast::Hasher::new();
            let lying = in_order(file, std::slice::from_ref(range), *dtype, &mut hasher)
                .map_err(|p| p.of(name))?;
            gather(&lying, shape, strides).ok_or_else(|| {
                Problem::new(format!("its steps {strides:?} lead out of its numbers")).of(name)
            })
        }
    }
}

/// The numbers of ranges, one after another.
fn in_order(
    file: &mut SourceFile,
    ranges: &[Range<u64>],
    dtype: Dtype,
    hasher: &mut crc32fast::Hasher,
) -> Result<Vec<f32>> {
    let size = dtype.bytes();
    let mut bytes = 0_u64;
    for range in ranges {
        file.check(range)?;
        let length = range.end - range.start;
        if length % size != 0 {
            let problem = Problem::new("its bytes are no whole numbers");
            return Err(problem.expected(format!("a multiple of {size}"), length));
        }
        bytes = bytes.saturating_add(length);
    }
    if bytes > file.length() {
        let problem = Problem::new("its bytes are used more than once");
        return Err(problem.expected(format!("at most {} bytes", file.length()), bytes));
    }
    let mut values = vec![0_f32; (bytes / size) as usize];
    let mut rest = &mut values[..];
    for Range { start, end } in ranges.iter().cloned() {
        let (now, later) = rest.split_at_mut(((end - start) / size) as usize);
        rest = later;
        match dtype {
            Dtype::F32 => {
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(now);
                file.read(start, bytes)?;
                hasher.update(bytes);
                now.iter_mut().for_each(|v| *v = f32::from_bits(u32::from_le(v.to_bits())));
            }
            Dtype::F64 => convert(file, start, now, hasher, |b| f64::from_le_bytes(b) as f32)?,
            Dtype::F16 => convert(file, start, now, hasher, |b| f16::from_le_bytes(b).into())?,
            Dtype::Bf16 => convert(file, start, now, hasher, |b| bf16::from_le_bytes(b).into())?,
            Dtype::Other(name, _) => {
                let problem = Problem::new("its numbers cannot be weights");
                return Err(problem.expected("f32, f16, bf16 or f64", name));
            }
        }
    }
    Ok(values)
}

/// Reads the numbers from `at` on, each of `N` bytes.
fn convert<const N: usize>(
    file: &mut SourceFile,
    mut at: u64,
    values: &mut [f32],
    hasher: &mut crc32fast::Hasher,
    number: impl Fn([u8; N]) -> f32,
) -> Result<()> {
    let mut chunk = vec![0; CHUNK.min(values.len() * N)];
    for values in values.chunks_mut(CHUNK / N) {
        let bytes = &mut chunk[..values.len() * N];
        file.read(at, bytes)?;
        at += bytes.len() as u64;
        hasher.update(bytes);
        let (numbers, _) = bytes.as_chunks::<N>();
        values.iter_mut().zip(numbers).for_each(|(value, bytes)| *value = number(*bytes));
    }
    Ok(())
}

/// The numbers of a tensor of these sizes, which lie in `values` by these steps; nothing where one
/// lies outside.
fn gather(values: &[f32], shape: &[usize], strides: &[usize]) -> Option<Vec<f32>> {
    let (outer, inner) = match (shape.split_last(), strides.split_last()) {
        (Some((size, outer)), Some((stride, steps))) if outer.len() == steps.len() => {
            (outer.iter().zip(steps), (*size, *stride))
        }
        (None, None) => return values.get(..1).map(<[f32]>::to_vec),
        _ => return None,
    };
    let outer: Vec<(usize, usize)> = outer.map(|(size, stride)| (*size, *stride)).collect();
    let (size, stride) = inner;
    let rows: usize = outer.iter().map(|(size, _)| size).product();
    let mut gathered = Vec::with_capacity(rows.checked_mul(size)?);
    for row in 0..rows {
        // The indices of the row, the last of which changes fastest.
        let (mut index, mut start) = (row, 0);
        for (size, stride) in outer.iter().rev() {
            start += index % size * stride;
            index /= size;
        }
        for column in 0..size {
            gathered.push(*values.get(start + column * stride)?);
        }
    }
    Some(gathered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(bytes: Vec<u8>, shape: &[usize], dtype: Dtype, place: Place) -> Result<Vec<f32>> {
        let (name, shape) = ("w".to_owned(), shape.to_vec());
        let tensor = SourceTensor { name, shape, dtype, place, crc32: None };
        read(&mut SourceFile::of_bytes(bytes), &tensor)
    }

    /// What each kind of number becomes, in several ranges and longer than a chunk.
    #[test]
    fn numbers_become_f32() {
        let count = 2 * CHUNK / 8 + 7;
        let want: Vec<f32> = (0..count).map(|i| (i % 200) as f32 * 0.5 - 32.0).collect();
        let bytes = |each: &dyn Fn(f32) -> Vec<u8>| -> Vec<u8> {
            want.iter().flat_map(|value| each(*value)).collect()
        };
        for (dtype, bytes) in [
            (Dtype::F64, bytes(&|v| f64::from(v).to_le_bytes().to_vec())),
            (Dtype::F32, bytes(&|v| v.to_le_bytes().to_vec())),
            (Dtype::F16, bytes(&|v| f16::from_f32(v).to_le_bytes().to_vec())),
            (Dtype::Bf16, bytes(&|v| bf16::from_f32(v).to_le_bytes().to_vec())),
        ] {
            let (cut, end) = (24 * dtype.bytes(), bytes.len() as u64);
            let split = [vec![9; 3], bytes[..cut as usize].to_vec(), vec![9; 5]];
            let split = [&split.concat()[..], &bytes[cut as usize..]].concat();
            let ranges = vec![3..3 + cut, 8 + cut..8 + end];
            let got = read_from(split, &[count], dtype, Place::Ranges(ranges)).unwrap();
            assert_eq!(got, want, "{dtype:?}");
        }
    }

    /// A transposed matrix, a row of it, and steps that lead outside.
    #[test]
    fn steps_are_followed() {
        let bytes: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let get = |range, shape: &[usize], strides: &[usize]| {
            let place = Place::Strided { range, strides: strides.to_vec() };
            read_from(bytes.clone(), shape, Dtype::F32, place)
        };
        assert_eq!(get(0..24, &[3, 2], &[1, 3]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(get(4..24, &[2], &[3]).unwrap(), [1.0, 4.0]);
        assert_eq!(get(8..12, &[], &[]).unwrap(), [2.0]);
        assert_eq!(get(0..24, &[2, 0], &[1, 1]).unwrap(), [0.0; 0]);
        assert!(get(0..20, &[3, 2], &[1, 3]).is_err());
        assert!(get(0..25, &[3, 2], &[1, 3]).is_err());
        // Steps of zero repeat a number as often as one likes.
        assert!(get(0..4, &[2, 3], &[0, 0]).unwrap() == [0.0; 6]);
        for many in [7, 1 << 20, 1 << 40, usize::MAX] {
            let error = get(0..4, &[many], &[0]).unwrap_err().at("w".as_ref()).to_string();
            assert!(error.contains("more bytes than its file") || many > 1 << 48, "{error}");
        }
    }
}
