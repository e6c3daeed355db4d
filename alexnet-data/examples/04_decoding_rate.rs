//! Lesson 4: how fast one core decodes image files.
//!
//! `cargo run --release -p alexnet-data --example 04_decoding_rate`, for drawn images, or `cargo
//! run --release -p alexnet-data --example 04_decoding_rate -- FOLDER [ROUNDS]` for your own.
//!
//! Every file below the folder is read first. Then each is decoded, resized and cropped to 256 ×
//! 256, in several rounds. The rates are by the CPU time of the thread where the system knows it
//! (Linux), and else by the clock. `bench/peers/pillow_decode.py` does the same with Pillow.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{Decoder, DemoOptions, Exif, draw_demo};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map(PathBuf::from);
    lesson(folder, arguments.next().and_then(|a| a.to_str()?.parse().ok()).unwrap_or(5))
}

/// Decodes the images of a folder in so many rounds; by default, drawn images.
pub(crate) fn lesson(
    folder: Option<PathBuf>,
    rounds: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let drawn = folder.is_none();
    let dir = folder.unwrap_or(temporary.path().into());
    if drawn {
        let demo = DemoOptions { image_size: 400, train_per_class: 2, val_per_class: 1, seed: 1 };
        draw_demo(&dir, &demo, &|_| ())?;
    }
    let mut files = Vec::new();
    read(&dir, &mut files)?;
    let mut decoder = Decoder::new(256, Exif::Ignore);
    for round in 0..rounds {
        let (start, cpu) = (Instant::now(), cpu_time());
        let (mut good, mut values) = (0, 0);
        for bytes in &files {
            if let Ok(pixels) = decoder.decode(bytes) {
                good += 1;
                values += pixels.data.len();
            }
        }
        assert!(!drawn || (good, values) == (30, 30 * 256 * 256 * 3));
        let time = cpu.and_then(|before| cpu_time()?.checked_sub(before));
        let rate = f64::from(good) / time.unwrap_or(start.elapsed()).as_secs_f64();
        println!("round {round}: {rate:.1} images/s ({good} images, {values} values)");
    }
    Ok(())
}

/// The bytes of every file below `dir`.
fn read(dir: &Path, files: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|e| e.path());
    for entry in entries {
        if entry.path().is_dir() {
            read(&entry.path(), files)?;
        } else {
            files.push(std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// The CPU time that this thread has used.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
