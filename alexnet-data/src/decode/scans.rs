//! Recognises JPEGs whose components are in separate scans.
//!
//! A baseline file may have one scan for each component instead of one for all; some optimising
//! encoders write such files. From those in 4:2:0, zune-jpeg 0.5 makes a wrong image without an
//! error.

/// Whether these bytes are a sequential JPEG with its components in several scans.
pub(crate) fn has_separate_scans(bytes: &[u8]) -> bool {
    find(bytes).unwrap_or(false)
}

fn find(bytes: &[u8]) -> Option<bool> {
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

#[cfg(test)]
mod tests {
    use super::has_separate_scans;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    fn file(sampling: SamplingFactor, scans: bool, progressive: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(sampling);
        encoder.set_optimized_huffman_tables(scans); // which also makes the scans separate
        encoder.set_progressive(progressive);
        let pixels: Vec<u8> = (0..72 * 72 * 3).map(|i| (i / 83) as u8).collect();
        encoder.encode(&pixels, 72, 72, ColorType::Rgb).unwrap();
        bytes
    }

    #[test]
    fn scans_are_counted() {
        use SamplingFactor::{F_1_1, F_2_1, F_2_2};
        for sampling in [F_1_1, F_2_1, F_2_2] {
            assert!(has_separate_scans(&file(sampling, true, false)), "{sampling:?}");
            assert!(!has_separate_scans(&file(sampling, false, false)), "{sampling:?}");
            assert!(!has_separate_scans(&file(sampling, true, true)), "progressive, {sampling:?}");
        }
        let whole = file(F_2_2, true, false);
        assert!((0..whole.len()).all(|end| !has_separate_scans(&whole[..end]) || end > 100));
        let truncated = [&b"\xff\xd8\xff\xda"[..], b"\xff\xd8\xff\xff", b""];
        assert!(truncated.iter().all(|bytes| !has_separate_scans(bytes)));
    }
}
