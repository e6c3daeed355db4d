//! Whether the colours of a JPEG lie in scans of their own.
//!
//! A baseline file may have one scan for each of its components in place of one for all: what some optimising
//! encoders write. zune-jpeg 0.5 gives a wrong picture for such files where colours are halved in both
//! directions, and no error.

/// Whether a sequential JPEG has its components in several scans. Bytes that are no JPEG have not.
pub(crate) fn apart(bytes: &[u8]) -> bool {
    find(bytes).unwrap_or(false)
}

fn find(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut components = None; // of a sequential frame
    loop {
        // A marker may have any number of ff before it.
        let at = rest.iter().position(|&byte| byte != 0xff).filter(|&at| at > 0)?;
        let (marker, behind) = (rest[at], &rest[at + 1..]);
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            rest = behind;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*behind.first()?, *behind.get(1)?]));
        let segment = behind.get(2..length)?;
        match marker {
            0xc0 | 0xc1 => components = Some(*segment.get(5)?),
            // Where the first scan begins: how many components has it?
            0xda => return Some(*segment.first()? < components?),
            _ => {}
        }
        rest = &behind[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    const SIDE: usize = 72;

    fn picture(side: usize) -> Vec<u8> {
        let value =
            |i: usize| [i / 3 % side, i / 3 / side, (i / 3 % side + i / 3 / side) / 2][i % 3];
        (0..side * side * 3).map(|i| (value(i) * 255 / side) as u8).collect()
    }

    fn file(sampling: SamplingFactor, scans: bool, progressive: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(sampling);
        encoder.set_optimized_huffman_tables(scans); // and with them, scans apart
        encoder.set_progressive(progressive);
        encoder.encode(&picture(SIDE), SIDE as u16, SIDE as u16, ColorType::Rgb).unwrap();
        bytes
    }

    #[test]
    fn scans_are_counted() {
        use SamplingFactor::{F_1_1, F_2_1, F_2_2};
        for sampling in [F_1_1, F_2_1, F_2_2] {
            assert!(apart(&file(sampling, true, false)), "{sampling:?}");
            assert!(!apart(&file(sampling, false, false)), "{sampling:?}");
            assert!(!apart(&file(sampling, true, true)), "progressive files have another road");
        }
        let whole = file(F_2_2, true, false);
        assert!((0..whole.len()).all(|end| !apart(&whole[..end]) || end > 100));
        assert!(!apart(b"\xff\xd8\xff\xda") && !apart(b"\xff\xd8\xff\xff") && !apart(b""));
    }

    /// The same picture, however its scans are arranged and its colours sampled.
    #[test]
    fn pictures_do_not_depend_on_scans() {
        use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1};
        for sampling in [F_1_1, F_1_2, F_2_1, F_2_2, F_4_1] {
            for size in [SIDE, 40, SIDE / 4] {
                let pictures = [(true, false), (false, false), (true, true)];
                let [apart, together, progressive] = pictures.map(|(scans, progressive)| {
                    decode(&file(sampling, scans, progressive), size).unwrap()
                });
                assert_eq!(apart.damage, None);
                for other in [together, progressive] {
                    let pairs = apart.data.iter().zip(&other.data);
                    let error: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                    let mean = error as f64 / other.data.len() as f64;
                    assert!(mean < 2.0, "{sampling:?} at {size}: {mean}");
                }
            }
        }
    }
}
