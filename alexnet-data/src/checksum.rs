//! CRC-32 checksums, and how a manifest writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io::{self, ErrorKind, Read};

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

    /// The number of bytes that `reader` has, and their checksum.
    pub(crate) fn of_all(reader: &mut impl Read) -> io::Result<(u64, Self)> {
        let (mut hasher, mut length, mut buffer) = (crc32fast::Hasher::new(), 0, [0; 8192]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((length, Self(hasher.finalize()))),
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    length += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
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
