//! One record's bytes and its pixels: raw, or a JPEG of the same square.
//!
//! The JPEG is libjpeg-turbo's: baseline, 8 bits, Y Cb Cr with colours at half the resolution (4:2:0), standard
//! Huffman tables; whole numbers only, so the same pixels give the same bytes on every machine, and the same
//! bytes the same pixels, with vector instructions or without. At quality 95 ImageNet is some 45 GB. (Without
//! subsampling it would be 57 GB, and some 5 dB nearer to photographs, whose own files have 4:2:0 mostly.)

use libjpeg_turbo_rs::{
    ColorSpace, DecodeLimits, Decoder, JpegError, PixelFormat, Subsampling, compress,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Pixels as they are, height × width × 3 bytes.
pub(crate) const RAW: u32 = 0;
/// A JPEG file of height × width pixels.
pub(crate) const JPEG: u32 = 1;

/// The JPEG of `side` × `side` RGB pixels.
pub(crate) fn encode(pixels: &[u8], side: usize, quality: u8) -> Result<Vec<u8>, String> {
    compress(pixels, side, side, PixelFormat::Rgb, quality, Subsampling::S420)
        .map_err(|e| format!("cannot be encoded: {e}"))
}

/// The pixels of a JPEG record into `out`, whose memory is used again; on one line why not.
///
/// Nothing is allocated for a picture of another size, whatever its header claims.
pub(crate) fn decode(
    bytes: &[u8],
    [height, width]: [usize; 2],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    out.resize(height * width * 3, 0);
    // As in `decode`: the bytes may be anyone's, and a panic of the decoder is one bad record.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let limits = DecodeLimits {
            max_width: width,
            max_height: height,
            max_scans: 1,
            ..DecodeLimits::default()
        };
        let fail = |e: JpegError| e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(fail)?;
        let (rows, columns) = (decoder.header().height(), decoder.header().width());
        if (rows, columns) != (height, width) {
            return Err(format!("it has {rows}×{columns} pixels"));
        }
        if decoder.jpeg_color_space() != ColorSpace::YCbCr || decoder.header().precision != 8 {
            return Err("its colours are not Y Cb Cr of 8 bits".into());
        }
        decoder.set_stop_on_warning(true);
        decoder.set_output_format(PixelFormat::Rgb);
        let written = decoder.decode_image_into(out).map_err(fail)?.bytes_written;
        if written == out.len() { Ok(()) } else { Err(format!("it has {written} bytes of pixels")) }
    }));
    result.unwrap_or_else(|_| Err("the decoder panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ExtendedColorType;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    /// A picture with soft and hard edges.
    fn picture(side: usize, seed: usize) -> Vec<u8> {
        let value = |i: usize| {
            let (x, y, c) = (i / 3 % side, i / 3 / side, i % 3);
            let wave = ((x * (seed % 7 + 1) + y * 3) as f64 / 11.0 + c as f64).sin();
            (120.0 + 90.0 * wave) as u8 + if x * 3 > y * 4 { 40 } else { 0 }
        };
        (0..side * side * 3).map(value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What is encoded is decoded, near to what it was, in a buffer of whatever was in it.
        #[test]
        fn round_trip(side in 1usize..70, seed in 0usize..100, quality in 80u8..=100, left in 0usize..9999) {
            let pixels = picture(side, seed);
            let (bytes, mut out) = (encode(&pixels, side, quality).unwrap(), vec![7; left]);
            decode(&bytes, [side, side], &mut out).unwrap();
            prop_assert_eq!(out.len(), pixels.len());
            let error: f64 = out.iter().zip(&pixels).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            prop_assert!(error / (out.len() as f64) < 24.0, "{}", error / out.len() as f64);
        }

        /// Damaged or of another size: refused or decoded to the full length, never a panic.
        #[test]
        fn hostile(side in 1usize..40, at: prop::sample::Index, flip in 1u8..=255, cut: prop::sample::Index) {
            let mut bytes = encode(&picture(side, 3), side, 90).unwrap();
            let mut out = Vec::new();
            prop_assert!(decode(&bytes, [side + 1, side], &mut out).is_err());
            prop_assert!(decode(&bytes, [side, side + 8], &mut out).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if decode(&bytes, [side, side], &mut out).is_ok() {
                prop_assert_eq!(out.len(), side * side * 3);
            }
            let _ = decode(&bytes[..cut.index(bytes.len())], [side, side], &mut out);
        }
    }

    /// Other pictures than the writer makes: a grey one, an empty one, no picture at all.
    #[test]
    fn other_pictures_are_refused() {
        let (mut grey, mut out) = (Vec::new(), Vec::new());
        let kind = ExtendedColorType::L8;
        JpegEncoder::new_with_quality(&mut grey, 90).encode(&[9; 64], 8, 8, kind).unwrap();
        assert!(decode(&grey, [8, 8], &mut out).unwrap_err().contains("Y Cb Cr"));
        for bytes in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\x89PNG", &[0xff; 40]] {
            assert!(decode(bytes, [8, 8], &mut out).is_err(), "{bytes:?}");
        }
    }
}
