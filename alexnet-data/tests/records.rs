//! JPEG records: near their images, the same on every machine, and no panic on any bytes.

mod common;

use alexnet_data::{Dataset, Encoding, Error, PrepareOptions, verify};
use common::{jpeg, options, picture, png, put, put_shard, run, tree};
use image::ExtendedColorType::Rgb8;
use jpeg_encoder::{ColorType, Encoder};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const SIDE: usize = 40;

/// A dataset with two shards of val.
fn jpeg_dataset() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["a", "b"], 3, SIDE);
    tree(&input, "val", &["a", "b"], 6, SIDE);
    let encoding = Encoding::Jpeg { quality: 95 };
    let options = options(&input, &output, SIDE);
    run(&PrepareOptions { encoding, shard_records: Some(9), ..options }).unwrap();
    (dir, output)
}

/// Where the index of a shard begins.
fn index_of(shard: &[u8]) -> usize {
    u64::from_le_bytes(shard[56..64].try_into().unwrap()) as usize
}

/// Writes `val-00000.shard` with every checksum above its records made right.
fn put_indexed(dir: &Path, mut bytes: Vec<u8>) {
    let crc = crc32fast::hash(&bytes[index_of(&bytes)..]);
    bytes[72..76].copy_from_slice(&crc.to_le_bytes());
    put_shard(dir, "val-00000.shard", bytes);
}

/// A record with a right checksum that is no image of the stored size is a typed error, which
/// verify finds too.
#[test]
fn a_bad_record_with_a_right_checksum() {
    let (_guard, output) = jpeg_dataset();
    let good = fs::read(output.join("val-00000.shard")).unwrap();
    let index = index_of(&good);
    let record = u32::from_le_bytes(good[index + 16..index + 20].try_into().unwrap()) as usize;
    let other_size = jpeg(&picture(8, 8, 1), 8, 8);
    let mut claims_more = good[4096..4096 + record].to_vec();
    let size_at = claims_more.windows(2).position(|w| w == [0xff, 0xc0]).unwrap() + 5;
    claims_more[size_at..size_at + 4].fill(0xff);
    let encoded = |colours, separate_scans| {
        let (mut bytes, side) = (Vec::new(), SIDE as u16);
        let mut encoder = Encoder::new(&mut bytes, 90);
        encoder.set_optimized_huffman_tables(separate_scans); // which also makes separate scans
        encoder.encode(&[9; SIDE * SIDE * 3], side, side, colours).unwrap();
        bytes
    };
    // Into the place of the first record, padded.
    let replace = |content: &[u8]| {
        let mut bytes = good.clone();
        bytes[4096..4096 + record].fill(0);
        bytes[4096..4096 + content.len()].copy_from_slice(content);
        let crc = crc32fast::hash(&bytes[4096..4096 + record]);
        bytes[index + 4..index + 8].copy_from_slice(&crc.to_le_bytes());
        put_indexed(&output, bytes);
        Dataset::open(&output).unwrap()
    };
    for (content, part) in [
        (&b"no picture at all"[..], ""),
        (&other_size, "8×8"),
        (&claims_more, ""),
        (&[], ""),
        (&encoded(ColorType::Luma, false), "Y Cb Cr"),
        (&encoded(ColorType::Rgb, true), "separate scans"),
    ] {
        let dataset = replace(content);
        let val = dataset.split("val").unwrap();
        let error = val.record(0).unwrap_err();
        assert!(matches!(error, Error::BadRecord { record: 0, .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(val.record(1).is_ok());
        let faults = verify(&output, &|_, _| ()).unwrap();
        assert!(faults.len() == 1 && faults[0].record.is_some(), "{faults:?}");
    }
    // Damaged or cut before its checksum was computed, it is refused or decoded to its full length.
    let mut refused = 0;
    for i in (0..record).step_by(7) {
        let (mut flipped, cut) = (good[4096..4096 + record].to_vec(), &good[4096..4096 + i]);
        flipped[i] ^= 1 << (i % 8);
        for content in [&flipped[..], cut] {
            let dataset = replace(content);
            match dataset.split("val").unwrap().record(0) {
                Ok(record) => assert_eq!(record.pixels.len(), SIDE * SIDE * 3),
                Err(Error::BadRecord { .. }) => refused += 1,
                Err(error) => panic!("{i}: {error}"),
            }
        }
    }
    assert!(refused > 0);
}

/// An image with soft and hard edges.
fn edges(side: usize, seed: usize) -> Vec<u8> {
    let value = |i: usize| {
        let (x, y, c) = (i / 3 % side, i / 3 / side, i % 3);
        let wave = ((x * (seed % 7 + 1) + y * 3) as f64 / 11.0 + c as f64).sin();
        (120.0 + 90.0 * wave) as u8 + if x * 3 > y * 4 { 40 } else { 0 }
    };
    (0..side * side * 3).map(value).collect()
}

/// A JPEG record is near its image, and has the same pixels on every machine: vector instructions
/// change none.
///
/// The colours of these images change within two pixels, which chroma cannot follow; an image
/// smaller than a block consists of such edges. (The worst have a mean error of 10.0 in luma and
/// 20.7 in colour below a block, 4.7 and 12.7 above.)
#[test]
fn jpeg_records_are_near_their_images() {
    for (side, quality) in
        [1, 2, 5, 7, 8, 9, 16, 33, 69, 256].into_iter().flat_map(|s| [80, 90, 100].map(|q| (s, q)))
    {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in"), dir.path().join("out"));
        for class in 0..7 {
            let image = png(&edges(side, class), side, side, Rgb8);
            put(&input, &format!("{class}/0.png"), &image);
        }
        let encoding = Encoding::Jpeg { quality };
        run(&PrepareOptions { encoding, ..options(&input, &output, side) }).unwrap();
        let (dataset, area) = (Dataset::open(&output).unwrap(), (side * side) as f64);
        let train = dataset.split("train").unwrap();
        let shard = fs::read(output.join("train-00000.shard")).unwrap();
        for i in 0..7 {
            let record = train.record(i).unwrap();
            let pixels = edges(side, record.label as usize);
            let luma = |p: &[u8]| {
                0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])
            };
            let pairs = record.pixels.chunks(3).zip(pixels.chunks(3));
            let grey = pairs.map(|(a, b)| (luma(a) - luma(b)).abs()).sum::<f64>() / area;
            assert!(grey < if side < 8 { 11.0 } else { 5.0 }, "{side}, {quality}: {grey}");
            let pairs = record.pixels.iter().zip(&pixels);
            let colour = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / 3.0 / area;
            assert!(colour < if side < 8 { 22.0 } else { 13.0 }, "{side}, {quality}: {colour}");

            let entry = &shard[index_of(&shard) + i * 24..];
            let number = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap());
            let bytes = &shard[number(8) as usize..][..number(16) as usize];
            let options = DecoderOptions::default()
                .set_use_unsafe(false)
                .jpeg_set_out_colorspace(ColorSpace::RGB);
            let plain = JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode();
            assert!(plain.unwrap() == *record.pixels, "{side}, {quality}");
        }
    }
}

/// Opening refuses encodings that version 1 does not have, and gaps and overlaps between records.
#[test]
fn wrong_indices_are_refused() {
    let (_guard, output) = jpeg_dataset();
    let good = fs::read(output.join("val-00000.shard")).unwrap();
    let index = index_of(&good);
    for (at, value) in
        [(20, 2u32), (20, 0), (16, 0), (16, u32::MAX), (8, 0), (8, 4097), (24 + 8, 4096)]
    {
        let mut bytes = good.clone();
        bytes[index + at..index + at + 4].copy_from_slice(&value.to_le_bytes());
        put_indexed(&output, bytes);
        let error = Dataset::open(&output).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{at}, {value}: {error}");
    }
}

/// Opening or reading finds any flipped byte in a shard of JPEG records.
#[test]
fn every_flipped_byte_is_found() {
    let (_guard, output) = jpeg_dataset();
    let shard = output.join("val-00001.shard");
    let good = fs::read(&shard).unwrap();
    let read = || -> Result<(), Error> {
        let dataset = Dataset::open(&output)?;
        let val = dataset.split("val")?;
        (0..val.len()).try_for_each(|i| val.record(i).map(|_| ()))
    };
    read().unwrap();
    // The header's zeros are alike, and so are bytes inside one record.
    let one_of = |i: usize| match i {
        80..4088 => 64,
        4096.. if i + 300 < good.len() => 5,
        _ => 1,
    };
    for i in (0..good.len()).filter(|&i| i % one_of(i) == 0) {
        let mut bytes = good.clone();
        bytes[i] ^= 1 << (i % 8);
        fs::write(&shard, bytes).unwrap();
        let text = read().expect_err(&format!("byte {i}")).to_string();
        assert!(text.contains("val-00001.shard"), "{text}");
    }
}
