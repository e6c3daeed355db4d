//! Arrays of NumPy, format 1 to 3, whose numbers are floats in the order of rows.

use super::file::SourceFile;
use super::problem::{Problem, Result};
use super::source::{Dtype, MOST_SIZES, Place, SourceTensor};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The bytes of the longest header.
const HEADER: usize = 4096;

/// Whether a file that starts with these bytes is one.
pub(crate) fn is_npy(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// The array of a file.
pub(crate) fn read(file: &mut SourceFile) -> Result<SourceTensor> {
    let wrong = || Problem::new("it is no array of NumPy that can be read");
    let start = file.bytes(0..12.min(file.length()), 12)?;
    let (length, at) = match start[..] {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (u64::from(u16::from_le_bytes([a, b])), 10),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d] => {
            (u64::from(u32::from_le_bytes([a, b, c, d])), 12)
        }
        _ => return Err(wrong().expected("format 1 to 3", "another")),
    };
    let header = file.bytes(at..at + length, HEADER)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let after = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = after("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
    let dtype = match descr {
        Some("<f4") => Dtype::F32,
        Some("<f8") => Dtype::F64,
        Some("<f2") => Dtype::F16,
        other => {
            return Err(wrong().expected("numbers of kind <f4 or <f8", other.unwrap_or("none")));
        }
    };
    if !after("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        return Err(wrong().expected("rows one after another", "columns"));
    }
    let sizes = after("shape").and_then(|rest| Some(rest.strip_prefix('(')?.split_once(')')?.0));
    let sizes = sizes.ok_or_else(wrong)?.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> =
        sizes.take(MOST_SIZES).map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let (name, range) = ("mean".to_owned(), at + length..file.length());
    Ok(SourceTensor { name, shape, dtype, place: Place::Ranges(vec![range]), crc32: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::values;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [&MAGIC[..], &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_are_read() {
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }   \n";
        let data: Vec<u8> = [1.5_f64, -2.0, 7.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut file = SourceFile::of_bytes(npy(header, &data));
        let tensor = read(&mut file).unwrap();
        assert_eq!(tensor.shape, [3, 1]);
        assert_eq!(values::read(&mut file, &tensor).unwrap(), [1.5, -2.0, 7.25]);
    }

    #[test]
    fn other_arrays_are_refused() {
        for header in [
            "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999999999999999999), }",
            "{}",
        ] {
            assert!(read(&mut SourceFile::of_bytes(npy(header, &[0; 12]))).is_err(), "{header}");
        }
        let whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", &[0; 12]);
        for length in 0..whole.len() {
            let mut file = SourceFile::of_bytes(whole[..length].to_vec());
            let read = read(&mut file).and_then(|tensor| values::read(&mut file, &tensor));
            assert!(read.is_err(), "{length}");
        }
    }
}
