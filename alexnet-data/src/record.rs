//! The two encodings of a record: raw pixels, and a JPEG of the same image.
//!
//! The JPEG is baseline with 8 bits, Y Cb Cr, 4:2:0 (chroma averaged over 2 × 2 pixels) and
//! standard Huffman tables. Its encoder uses integers and single divisions, and no vector
//! instructions, so that the same pixels give the same bytes on every machine.
//!
//! A photograph of 256 × 256 pixels at quality 95 takes 33.6 kB (ImageNet 45 GB) and is decoded in
//! 0.6 ms. In 4:4:4 it would take 43.4 kB and 0.8 ms. The luma is equally good in both, 43.8 dB
//! PSNR; all three channels have 40.2 dB in 4:4:4 and 36.1 dB in 4:2:0.

use crate::decode::error::one_line;
use crate::decode::jpeg::bytes::Bytes;
use crate::decode::jpeg::has_separate_scans;
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
        if has_separate_scans(bytes) == Some(true) {
            return Err("its components are in separate scans".into());
        }
        decoder.decode_into(out).map_err(fail)
    }));
    result.unwrap_or_else(|_| Err("the decoder panicked".into()))
}
