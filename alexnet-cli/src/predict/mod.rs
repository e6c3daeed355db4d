//! `alexnet predict`: the most probable classes of images.

mod picture;
mod printer;
mod show;

use std::io::IsTerminal;
use std::path::PathBuf;

use alexnet_train::{Looking, predict_images};
use anyhow::{Result, ensure};

use self::printer::{Format, Printer};
use self::show::Show;
use crate::figure::output::FigureFile;
use crate::images::ImageArguments;
use crate::message::one_line;
use crate::numbers::{THREADS, within};
use crate::output::{Report, complain};
use crate::progress;
use crate::weights::WeightsArguments;

/// Print the most probable classes of images, in the order of the images
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    weights: WeightsArguments,
    #[command(flatten)]
    images: ImageArguments,
    /// How many classes to print
    #[arg(long, default_value_t = 5, value_parser = within::<usize>(1..=1_000_000))]
    top: usize,
    /// Print one JSON object a line for each image
    #[arg(long)]
    json: bool,
    /// Print a row of comma-separated values for each class of each image
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Also draw what was done to the first 20 images, as PNG or SVG: the file, the square it was
    /// resized to, the crops as the network saw them, and the most probable classes as bars
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
    /// Threads that read images; the result does not depend on it [default: one for each core]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    loader_threads: Option<usize>,
}

/// From how many images on there is a progress bar.
const MANY: u64 = 100;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let WeightsArguments { checkpoint: path, views, device } = &arguments.weights;
    arguments.images.check()?;
    let show = arguments.show.as_deref();
    let file = show.map(|path| FigureFile { option: "--show", path, width: None });
    file.as_ref().map(FigureFile::check).transpose()?;
    let compute = device.open()?;
    let checkpoint = arguments.weights.load()?;
    let input = checkpoint.input(path, &compute)?;
    let network = checkpoint.network_on(std::slice::from_ref(&compute))?;
    let images = arguments.images.sources()?;

    let format = match (arguments.json, arguments.csv) {
        (true, _) => Format::Json,
        (_, true) => Format::Csv,
        _ => Format::Text,
    };
    let printer = Printer::new(format, &checkpoint.classes, arguments.top);
    let mut show = match &file {
        Some(_) => Some(Show::new(&network, &input, &checkpoint, *views, arguments.top)?),
        None => None,
    };
    let preprocessing = checkpoint.preprocessing;
    let loader_threads = arguments.loader_threads.unwrap_or_else(crate::numbers::cores);
    let looking = Looking { preprocessing, views: *views, loader_threads };
    let (mut seen, mut failed, mut bar) = (0, 0, None);
    printer.begin()?;
    predict_images(&network, &input, looking, images, &mut |prediction| {
        seen += 1;
        // On a screen, what is printed says enough of the progress.
        if seen == MANY && !std::io::stdout().is_terminal() {
            bar = Some(progress::counter("predict"));
        }
        if let Some(bar) = &bar {
            bar.set_position(seen);
        }
        match prediction {
            Ok(prediction) => {
                printer.print(&prediction)?;
                show.as_mut().map(|show| show.add(&prediction)).transpose()?;
            }
            // One bad file does not keep the others from being predicted.
            Err(error) => {
                failed += 1;
                let line = format!("error: {}", one_line(&error));
                bar.as_ref().map_or_else(|| complain(&line), |bar| bar.suspend(|| complain(&line)));
            }
        }
        Ok(())
    })?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if let (Some(file), Some(show)) = (file, show)
        && let Some(drawing) = show.draw(seen)
    {
        file.write(&drawing)?;
        if matches!(format, Format::Text) {
            writeln!(Report, "picture  {}", file.path.display())?;
        }
    }
    ensure!(failed == 0, "{failed} of {seen} images could not be read");
    Ok(())
}
