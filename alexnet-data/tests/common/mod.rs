//! What the tests share: small images, trees of them, and datasets.

#![allow(dead_code)] // each test file uses its own part

pub(crate) mod archives;
pub(crate) mod bare_jpeg;
pub(crate) mod pickles;
pub(crate) mod zips;

use alexnet_data::{Dataset, PrepareOptions, Source, Summary, prepare};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A smooth colour picture that differs with `seed`, as RGB bytes.
pub(crate) fn picture(height: usize, width: usize, seed: usize) -> Vec<u8> {
    let value = |y: usize, x: usize, c: usize| {
        let phase = (y * (seed % 5 + 1) + x * (seed % 3 + 2)) as f64 / 9.0 + (c * 2 + seed) as f64;
        (127.5 + 127.0 * phase.sin()) as u8
    };
    (0..height * width * 3).map(|i| value(i / 3 / width, i / 3 % width, i % 3)).collect()
}

pub(crate) fn jpeg(pixels: &[u8], height: usize, width: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let kind = ExtendedColorType::Rgb8;
    JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode(pixels, width as u32, height as u32, kind)
        .unwrap();
    bytes
}

pub(crate) fn png(pixels: &[u8], height: usize, width: usize, kind: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width as u32, height as u32, kind).unwrap();
    bytes
}

/// Writes a file and the folders above it.
pub(crate) fn put(root: &Path, path: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// A tree of `per_class` PNGs (no loss) for each class, under `root/split`.
pub(crate) fn tree(root: &Path, split: &str, classes: &[&str], per_class: usize, side: usize) {
    for (c, class) in classes.iter().enumerate() {
        for i in 0..per_class {
            let pixels = picture(side, side + i % 3, c * 100 + i + split.len());
            let bytes = png(&pixels, side, side + i % 3, ExtendedColorType::Rgb8);
            put(root, &format!("{split}/{class}/{i:03}.png"), &bytes);
        }
    }
}

pub(crate) fn options(input: &Path, output: &Path, size: usize) -> PrepareOptions {
    PrepareOptions { size, threads: 2, ..PrepareOptions::new(Source::Folder, input, output) }
}

/// A prepared dataset of three classes: 5 train and 2 val images each, in shards of 8.
pub(crate) fn small_dataset(size: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    tree(&input, "train", &["a", "b", "c"], 5, size + 1);
    tree(&input, "val", &["a", "b", "c"], 2, size + 1);
    let options = PrepareOptions { shard_records: Some(8), ..options(&input, &output, size) };
    prepare(&options, &|_| ()).unwrap();
    (dir, output)
}

/// The (label, first value) of every record of a split, sorted.
pub(crate) fn records(dataset: &Dataset, split: &str) -> Vec<(u32, u8)> {
    let split = dataset.split(split).unwrap();
    let record = |i| split.record(i).map(|r| (r.label, r.pixels[0])).unwrap();
    let mut records: Vec<_> = (0..split.len()).map(record).collect();
    records.sort();
    records
}

pub(crate) fn run(options: &PrepareOptions) -> Result<Summary, alexnet_data::Error> {
    prepare(options, &|_| ())
}

/// Every file of a folder, by name.
pub(crate) fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    let mut files: Vec<_> = entries
        .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Writes a shard into a dataset, with the checksums of its header and of the manifest made right.
pub(crate) fn put_shard(dir: &Path, name: &str, mut bytes: Vec<u8>) {
    let (path, manifest) = (dir.join(name), dir.join("manifest.json"));
    let old = fs::read(&path).unwrap();
    let old = u32::from_le_bytes(old[4092..4096].try_into().unwrap());
    let new = crc32fast::hash(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&new.to_le_bytes());
    fs::write(path, bytes).unwrap();
    let text = fs::read_to_string(&manifest).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    put_manifest(dir, &rest.replace(&format!("crc32:{old:08x}"), &format!("crc32:{new:08x}")));
}

/// Writes a manifest with these lines after the first one, which is the right one.
pub(crate) fn put_manifest(dir: &Path, rest: &str) {
    let first = format!("{{\"checksum\":\"crc32:{:08x}\",\n", crc32fast::hash(rest.as_bytes()));
    fs::write(dir.join("manifest.json"), first + rest).unwrap();
}
