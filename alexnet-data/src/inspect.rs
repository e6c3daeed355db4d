//! Images to look at: a contact sheet of a split, and the mean image.

use crate::atomic_file::write_atomic;
use crate::dataset::Split;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::picture_file::encode_png;
use std::io::Write;
use std::path::Path;

/// The most images on a sheet.
const MAX_SHEET: usize = 1024;
/// The longest side of a sheet, in pixels.
const MAX_SIDE: usize = 16384;

/// `count` images of a split, evenly spaced over its records, in rows on one sheet.
///
/// # Errors
/// [`Error::Setting`] for no image or too many, and those of [`Split::record`].
pub fn contact_sheet(split: &Split, count: usize) -> Result<Pixels> {
    let count = count.min(split.len());
    let columns = (1..=count).find(|c| c * c >= count).unwrap_or(0);
    let (height, width) = (split.height(), split.width());
    let rows = count.div_ceil(columns.max(1));
    let fits = (1..=MAX_SHEET).contains(&count) && columns * width.max(height) <= MAX_SIDE;
    let expected = "1 to 1024 images, on a sheet of up to 16384 pixels a side";
    Error::check(fits, "sheet", expected, &count)?;
    let mut data = vec![0; rows * height * columns * width * 3];
    for n in 0..count {
        let record = split.record(n * split.len() / count)?;
        let (top, left) = (n / columns * height, n % columns * width);
        for (y, row) in record.pixels.chunks_exact(width * 3).enumerate() {
            let at = ((top + y) * columns * width + left) * 3;
            data[at..at + row.len()].copy_from_slice(row);
        }
    }
    Ok(Pixels::new(rows * height, columns * width, data))
}

/// The mean image of the train split, rounded to bytes.
pub fn mean_picture(manifest: &Manifest) -> Pixels {
    let data = manifest.statistics.mean_image.iter().map(|v| v.round() as u8).collect();
    Pixels::new(manifest.height, manifest.width, data)
}

/// Writes an image as PNG.
///
/// # Errors
/// [`Error::Io`] with the path; those of [`write_atomic`].
pub fn write_png(path: &Path, image: &Pixels) -> Result<()> {
    let bytes = encode_png(image).map_err(Error::io("encode", path))?;
    write_atomic(path, |file| file.write_all(&bytes))
}
