//! `--output` and `--width`: where a figure goes, and how wide it is.

use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{AtomicFile, write_atomic, write_png};
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

/// A file that a drawing goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FigureFile<'a> {
    /// The argument that names it.
    pub(crate) option: &'static str,
    pub(crate) path: &'a Path,
    /// How many pixels wide the drawing is to be.
    pub(crate) width: Option<usize>,
}

impl OutputArguments {
    fn file(&self) -> FigureFile<'_> {
        FigureFile { option: "--output", path: &self.output, width: self.width }
    }

    /// Refuses what cannot be written, before anything is computed.
    pub(crate) fn check(&self) -> Result<()> {
        self.file().check()
    }

    /// Writes the figure, whole or not at all.
    pub(crate) fn write(&self, drawing: &Drawing) -> Result<()> {
        self.file().write(drawing)?;
        writeln!(Report, "figure   {}", self.output.display())?;
        Ok(())
    }
}

impl FigureFile<'_> {
    fn format(&self) -> Result<Format> {
        let ending = self.path.extension().map(|e| e.to_ascii_lowercase());
        match ending.as_ref().and_then(|e| e.to_str()) {
            Some("svg") => Ok(Format::Svg),
            Some("png") => Ok(Format::Png),
            _ => bail!(
                "{} {}: a figure is SVG or PNG: give a name that ends in .svg or .png",
                self.option,
                self.path.display()
            ),
        }
    }

    /// Refuses what cannot be written, before anything is computed.
    pub(crate) fn check(&self) -> Result<()> {
        self.format()?;
        drop(AtomicFile::create(self.path)?); // it vanishes
        Ok(())
    }

    /// Writes the figure, whole or not at all.
    pub(crate) fn write(&self, drawing: &Drawing) -> Result<()> {
        match self.format()? {
            Format::Svg => {
                let width = self.width.map_or(drawing.width, |width| width as f64);
                let text = svg(drawing, Place::File, width);
                write_atomic(self.path, |file| file.write_all(text.as_bytes()))?;
            }
            Format::Png => {
                let width = self.width.unwrap_or((2.0 * drawing.width).round() as usize);
                write_png(self.path, &paint(drawing, width)?)?;
            }
        }
        Ok(())
    }
}
