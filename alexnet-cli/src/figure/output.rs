//! `--output` and `--width`: where a figure goes, and how wide it is.

use std::io::Write;
use std::path::PathBuf;

use alexnet_data::{check_replaceable, write_atomic, write_png};
use anyhow::{Result, bail};

use crate::drawing::Drawing;
use crate::drawing::png::paint;
use crate::drawing::svg::{Place, svg};
use crate::numbers::{PIXELS, within};
use crate::output::Report;

/// Where a figure goes
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArguments {
    /// The file to write: FILE.svg or FILE.png
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How many pixels wide it is [default: as its content needs; a PNG twice that]
    #[arg(long, value_name = "PIXELS", value_parser = within::<usize>(PIXELS))]
    width: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl OutputArguments {
    fn format(&self) -> Result<Format> {
        let ending = self.output.extension().map(|e| e.to_ascii_lowercase());
        match ending.as_ref().and_then(|e| e.to_str()) {
            Some("svg") => Ok(Format::Svg),
            Some("png") => Ok(Format::Png),
            _ => bail!(
                "--output {}: a figure is SVG or PNG: give a name that ends in .svg or .png",
                self.output.display()
            ),
        }
    }

    /// Refuses what cannot be written, before anything is computed.
    pub(crate) fn check(&self) -> Result<()> {
        self.format()?;
        Ok(check_replaceable(&self.output)?)
    }

    /// Writes the figure, whole or not at all.
    pub(crate) fn write(&self, drawing: &Drawing) -> Result<()> {
        match self.format()? {
            Format::Svg => {
                let width = self.width.map_or(drawing.width, |width| width as f64);
                let text = svg(drawing, Place::File, width);
                write_atomic(&self.output, |file| file.write_all(text.as_bytes()))?;
            }
            Format::Png => {
                let width = self.width.unwrap_or((2.0 * drawing.width).round() as usize);
                write_png(&self.output, &paint(drawing, width)?)?;
            }
        }
        writeln!(Report, "figure   {}", self.output.display())?;
        Ok(())
    }
}
