//! Pictures of a dataset: a contact sheet of its images, and the mean image.

use crate::whole::WholeFile;
use crate::{Error, Manifest, Pixels, Split};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::io::Write;
use std::path::Path;

/// The most images on a sheet.
const MAX_SHEET: usize = 1024;
/// The longest side of a sheet, in pixels.
const MAX_SIDE: usize = 16384;

/// `count` images of a split, evenly spaced over its records, in rows on one sheet.
///
/// # Errors
/// [`Error::Setting`] for no image or too many, [`Error::DamagedRecord`].
pub fn contact_sheet(split: &Split, count: usize) -> Result<Pixels, Error> {
    let count = count.min(split.len());
    let columns = (1..=count).find(|c| c * c >= count).unwrap_or(0);
    let (height, width) = (split.height(), split.width());
    let rows = count.div_ceil(columns.max(1));
    if !(1..=MAX_SHEET).contains(&count) || columns * width.max(height) > MAX_SIDE {
        let expected = "1 to 1024 images, on a sheet of up to 16384 pixels a side";
        return Err(Error::Setting { name: "sheet", expected, got: count.to_string() });
    }
    let mut data = vec![0; rows * height * columns * width * 3];
    for n in 0..count {
        let record = split.record(n * split.len() / count)?;
        let (top, left) = (n / columns * height, n % columns * width);
        for (y, row) in record.pixels.chunks_exact(width * 3).enumerate() {
            let at = ((top + y) * columns * width + left) * 3;
            data[at..at + row.len()].copy_from_slice(row);
        }
    }
    Ok(Pixels { height: rows * height, width: columns * width, data, damage: None })
}

/// The mean image, rounded to whole values.
pub fn mean_picture(manifest: &Manifest) -> Pixels {
    let data = manifest.statistics.mean_image.iter().map(|v| v.round() as u8).collect();
    Pixels { height: manifest.height, width: manifest.width, data, damage: None }
}

/// Writes a picture as PNG.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn write_png(path: &Path, picture: &Pixels) -> Result<(), Error> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            &picture.data,
            picture.width as u32,
            picture.height as u32,
            ExtendedColorType::Rgb8,
        )
        .map_err(|e| Error::io("encode", path)(std::io::Error::other(e)))?;
    let mut file = WholeFile::create(path)?;
    file.file().write_all(&bytes).map_err(Error::io("write", path))?;
    file.commit()
}
