//! What becomes of each image file that is named on standard input: one line of JSON each.
//!
//! `bench/jpeg_fuzz.py` holds the lines against libjpeg-turbo. With `--pixels`, the line has the
//! pixels too, in hexadecimal.

#![allow(clippy::print_stdout)] // another program reads it

use alexnet_data::{Decoder, Exif};
use std::fmt::Write;
use std::io::BufRead;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pixels = std::env::args().any(|argument| argument == "--pixels");
    for line in std::io::stdin().lock().lines() {
        // The side of the square, and the path.
        let line = line?;
        let (size, path) = line.split_once(' ').ok_or("expected a size and a path")?;
        let start = std::time::Instant::now();
        let result = Decoder::new(size.parse()?, Exif::Ignore).decode(&std::fs::read(path)?);
        let seconds = start.elapsed().as_secs_f64();
        let (verdict, reason, data) = match result {
            Ok(image) => {
                let verdict = if image.damage.is_some() { "damaged" } else { "whole" };
                (verdict, image.damage.unwrap_or_default(), image.data)
            }
            Err(error) => ("refused", error.to_string(), Vec::new()),
        };
        let mut hex = String::new();
        data.iter().filter(|_| pixels).try_for_each(|v| write!(hex, "{v:02x}"))?;
        println!(
            "{{\"verdict\":\"{verdict}\",\"seconds\":{seconds:.4},\"reason\":{reason:?},\
             \"pixels\":\"{hex}\"}}"
        );
    }
    Ok(())
}
