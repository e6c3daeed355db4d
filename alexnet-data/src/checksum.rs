//! CRC-32 checksums of bytes and files, and how a manifest writes them.

use crate::error::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A CRC-32 (IEEE 802.3, the one of zlib), written as `crc32:` and eight hexadecimal digits.
///
/// ```
/// use alexnet_data::Checksum;
/// assert_eq!(Checksum::of(b"123456789").to_string(), "crc32:cbf43926");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub u32);

impl Checksum {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc32fast::hash(bytes))
    }

    /// The checksum of the file at `path`, which is read in pieces.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        // A short file needs no long buffer; a long one, or one of unknown length, 64 KiB at most.
        let length = file.metadata().map_or(u64::MAX, |m| m.len()).clamp(1, 1 << 16) as usize;
        let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; length]);
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", path))? {
                0 => return Ok(Self(hasher.finalize())),
                n => hasher.update(&buffer[..n]),
            }
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crc32:{:08x}", self.0)
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("crc32:").filter(|digits| digits.len() == 8);
        let crc = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        crc.map(Self).ok_or_else(|| de::Error::custom("expected crc32: and 8 digits"))
    }
}
