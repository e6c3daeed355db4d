//! The two encodings of a record: raw pixels, and a JPEG of the same image.
//!
//! The JPEG is baseline with 8 bits, Y Cb Cr, 4:2:0 (chroma averaged over 2 × 2 pixels) and
//! standard Huffman tables. Its encoder uses integers and single divisions, and no vector
//! instructions, so that the same pixels give the same bytes on every machine.
//!
//! A photograph of 256 × 256 pixels at quality 95 takes 33.6 kB (ImageNet 45 GB) and is decoded in
//! 0.6 ms. In 4:4:4 it would take 43.4 kB and 0.8 ms. The luma is equally good in both, 43.8 dB
//! PSNR; all three channels have 40.2 dB in 4:4:4 and 36.1 dB in 4:2:0.

use crate::decode::bytes::Bytes;
use crate::decode::error::one_line;
use crate::decode::scans::has_separate_scans;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The encoding number of raw pixels, height × width × 3 bytes.
pub(crate) const RAW: u32 = 0;
/// The encoding number of a JPEG file of height × width pixels.
pub(crate) const JPEG: u32 = 1;

/// Encodes `side` × `side` RGB pixels as JPEG.
pub(crate) fn encode(pixels: &[u8], side: usize, quality: u8) -> Result<Vec<u8>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("cannot be encoded: {e}");
    let (mut bytes, side) = (Vec::new(), u16::try_from(side).map_err(|e| fail(&e))?);
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    // The default takes one pixel of four, which loses over 1 dB and shifts chroma by half a pixel.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.encode(pixels, side, side, ColorType::Rgb).map_err(|e| fail(&e))?;
    Ok(bytes)
}

/// Decodes a JPEG record into `out`, whose memory is reused. The error is a reason on one line.
///
/// An image of another size is refused before memory is allocated for it.
pub(crate) fn decode(
    bytes: &[u8],
    [height, width]: [usize; 2],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    out.resize(height * width * 3, 0);
    // The bytes may be hostile; if the decoder panics on them, that is one bad record.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(width)
            .set_max_height(height)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(Bytes::new(bytes), options);
        let fail = |e| one_line(&format!("{e:?}"));
        decoder.decode_headers().map_err(fail)?;
        let (columns, rows) = decoder.dimensions().unwrap_or((0, 0));
        if (rows, columns) != (height, width) {
            return Err(format!("it has {rows}×{columns} pixels"));
        }
        if decoder.input_colorspace() != Some(ColorSpace::YCbCr) {
            return Err("its colours are not Y Cb Cr".into());
        }
        if has_separate_scans(bytes) {
            return Err("its components are in separate scans".into());
        }
        decoder.decode_into(out).map_err(fail)
    }));
    result.unwrap_or_else(|_| Err("the decoder panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zune_jpeg::zune_core::bytestream::ZCursor;

    /// An image with soft and hard edges.
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

        /// A decoded record is near the original, whatever the buffer held before. The colours of
        /// these images change within two pixels, which chroma cannot follow; an image smaller than
        /// a block consists of such edges. (Of all inputs that can be drawn here, the worst have a
        /// mean error of 10.0 in luma and 20.7 in colour below a block, 4.7 and 12.7 above.)
        #[test]
        fn round_trip(
            side in 1usize..70,
            seed in 0usize..7,
            quality in 80u8..=100,
            left in 0usize..9999,
        ) {
            let pixels = picture(side, seed);
            let (bytes, mut out) = (encode(&pixels, side, quality).unwrap(), vec![7; left]);
            decode(&bytes, [side, side], &mut out).unwrap();
            prop_assert_eq!(out.len(), pixels.len());
            let area = (side * side) as f64;
            let luma = |p: &[u8]| {
                0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])
            };
            let pairs = out.chunks(3).zip(pixels.chunks(3));
            let grey = pairs.map(|(a, b)| (luma(a) - luma(b)).abs()).sum::<f64>() / area;
            prop_assert!(grey < if side < 8 { 11.0 } else { 5.0 }, "{}", grey);
            let differences = out.iter().zip(&pixels).map(|(a, b)| f64::from(a.abs_diff(*b)));
            let colour = differences.sum::<f64>() / 3.0 / area;
            prop_assert!(colour < if side < 8 { 22.0 } else { 13.0 }, "{}", colour);
        }

        /// A damaged record, or one of another size, is refused or decoded to its full length.
        #[test]
        fn hostile(
            side in 1usize..40,
            at: prop::sample::Index,
            flip in 1u8..=255,
            cut: prop::sample::Index,
        ) {
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

    /// Vector instructions change no pixel: a record decodes to the same pixels on every machine.
    #[test]
    fn decoding_does_not_depend_on_the_machine() {
        for (side, quality) in [(256, 95), (72, 80), (33, 60)] {
            let bytes = encode(&picture(side, side), side, quality).unwrap();
            let mut fast = Vec::new();
            decode(&bytes, [side, side], &mut fast).unwrap();
            let options = DecoderOptions::default()
                .set_use_unsafe(false)
                .jpeg_set_out_colorspace(ColorSpace::RGB);
            let plain = JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options).decode();
            assert!(plain.unwrap() == fast, "{side} at {quality}");
        }
    }

    /// JPEGs that `encode` does not write are refused, and so are bytes that are no JPEG.
    #[test]
    fn other_images_are_refused() {
        let (mut grey, mut out) = (Vec::new(), Vec::new());
        Encoder::new(&mut grey, 90).encode(&[9; 64], 8, 8, ColorType::Luma).unwrap();
        assert!(decode(&grey, [8, 8], &mut out).unwrap_err().contains("Y Cb Cr"));
        let mut apart = Vec::new();
        let mut encoder = Encoder::new(&mut apart, 90);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode(&[9; 192], 8, 8, ColorType::Rgb).unwrap();
        assert!(decode(&apart, [8, 8], &mut out).unwrap_err().contains("separate scans"));
        for bytes in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\x89PNG", &[0xff; 40]] {
            assert!(decode(bytes, [8, 8], &mut out).is_err(), "{bytes:?}");
        }
    }
}
