//! Recognises JPEGs whose components are in separate scans.
//!
//! A baseline file may have one scan for each component instead of one for all; some optimising
//! encoders write such files. From those in 4:2:0, zune-jpeg 0.5 makes a wrong image without an
//! error.

/// Whether these bytes are a sequential JPEG with its components in several scans; `None` where
/// they are no such JPEG.
pub(crate) fn has_separate_scans(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut components = None; // the number in a sequential frame
    loop {
        // Any number of bytes ff may come before a marker.
        let at = rest.iter().position(|&byte| byte != 0xff).filter(|&at| at > 0)?;
        let (marker, after) = (rest[at], &rest[at + 1..]);
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            rest = after;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
        let segment = after.get(2..length)?;
        match marker {
            0xc0 | 0xc1 => components = Some(*segment.get(5)?),
            // The first scan begins, with its number of components.
            0xda => return Some(*segment.first()? < components?),
            _ => {}
        }
        rest = &after[length..];
    }
}
