//! Lesson 6: what becomes of each image file, and why.
//!
//! `cargo run --release -p alexnet-data --example 06_verdicts -- FOLDER [SIZE [PIXELS]]` decodes
//! every file of the folder to a square of SIZE (256) and prints its name, `whole`, `damaged` or
//! `refused`, the milliseconds it took, and the reason. The pixels go to files in the folder
//! PIXELS.
//! `bench/jpeg_fuzz.py` holds them against libjpeg-turbo.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{Decoder, Exif};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("expected a folder with image files")?;
    let size = arguments.next().and_then(|size| size.to_str()?.parse().ok()).unwrap_or(256);
    lesson(&folder, size, arguments.next().as_deref())
}

/// Decodes the files of a folder.
pub(crate) fn lesson(
    folder: &Path,
    size: usize,
    pixels: Option<&Path>,
) -> Result<(), Box<dyn std::error::Error>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut decoder = Decoder::new(size, Exif::Ignore);
    for file in files.iter().filter(|file| file.is_file()) {
        let (bytes, start) = (std::fs::read(file)?, Instant::now());
        let result = decoder.decode(&bytes);
        let time = start.elapsed().as_millis();
        let name = file.file_name().unwrap_or_default();
        if let (Ok(image), Some(pixels)) = (&result, pixels) {
            std::fs::write(pixels.join(name), &image.data)?;
        }
        let (verdict, reason) = match result {
            Ok(image) => match image.damage {
                Some(damage) => ("damaged", damage),
                None => ("whole", String::new()),
            },
            Err(error) => ("refused", error.to_string()),
        };
        println!("{}\t{verdict}\t{time}\t{reason}", name.display());
    }
    Ok(())
}
