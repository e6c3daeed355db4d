//! How many machine instructions each kernel of a cubin has.
//!
//! A cubin is an ELF file with the section `.text.NAME` for each kernel, and an instruction has 16
//! bytes on every GPU since 2017.

use std::collections::BTreeMap;

const INSTRUCTION: u64 = 16;

/// The instructions of each kernel; `None` for what is no ELF file of 64 bits.
pub(super) fn instructions(cubin: &[u8]) -> Option<BTreeMap<String, u64>> {
    if !cubin.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, bytes: usize| {
        let field = cubin.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte)))
    };
    // The ELF header says where the headers of sections are, how large and how many, and which of
    // them is that of all names.
    let (first, size) = (number(0x28, 8)? as usize, number(0x3a, 2)? as usize);
    let (count, of_names) = (number(0x3c, 2)? as usize, number(0x3e, 2)? as usize);
    let header = |section: usize| section.checked_mul(size)?.checked_add(first);
    let names = number(header(of_names)?.checked_add(0x18)?, 8)? as usize;
    let mut found = BTreeMap::new();
    for section in 0..count {
        let at = header(section)?;
        let name = names.checked_add(number(at, 4)? as usize)?;
        let name = cubin.get(name..)?.split(|byte| *byte == 0).next()?;
        if let Some(kernel) = name.strip_prefix(b".text.") {
            let bytes = number(at.checked_add(0x20)?, 8)?;
            found.insert(String::from_utf8_lossy(kernel).into_owned(), bytes / INSTRUCTION);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, the names, and two headers of sections: that of the names and that of a kernel.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 0x40];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let names = b"\0.names\0.text.lrn\0";
        file[0x28] = 0x40 + names.len() as u8;
        (file[0x3a], file[0x3c]) = (0x40, 2);
        file.extend(names);
        for (name, begin, bytes) in [(1, 0x40, names.len() as u8), (8, 0, 96)] {
            let mut header = [0; 0x40];
            (header[0], header[0x18], header[0x20]) = (name, begin, bytes);
            file.extend(header);
        }
        file
    }

    #[test]
    fn kernels_by_name() {
        let expected = BTreeMap::from([("lrn".to_owned(), 6)]);
        assert_eq!(instructions(&file()), Some(expected));
    }

    #[test]
    fn what_is_cut_off_is_no_cubin() {
        assert_eq!(instructions(b""), None);
        assert_eq!(instructions(&file()[..100]), None);
    }
}
