//! `alexnet prepare-data`: makes a dataset of images on disk.

mod interrupt;
mod part;
mod progress;
mod size;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;

use alexnet_data::{
    Crop, Encoding, Error, Exif, MAX_PIXELS, PrepareOptions, Resample, Source, merge, prepare_part,
    prepare_until,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use self::progress::ProgressDisplay;
use crate::numbers::{THREADS, within};
use crate::output::{complain, tell};

/// Turn images on disk into a dataset: memory-mapped, checksummed shards with their statistics
///
/// After a kill, a full disk or Ctrl-C, the same command goes on after the last whole shard.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the input is [default: recognised by the names of its files]:
    /// folder (a tree of image files, one folder a class, also in a zip, tar or tar.gz), ilsvrc2012
    /// and ilsvrc2010 (the official archives as downloaded), kaggle and tiny-imagenet (the zip, or
    /// that unpacked), fall2011 (a tar for each WordNet id), webdataset (tars of images and cls),
    /// cifar10, cifar100 (the tar.gz, or that unpacked), demo (shapes drawn by code)
    #[arg(
        long, value_name = "SOURCE",
        value_parser = PossibleValuesParser::new(Source::ALL.map(Source::name))
    )]
    source: Option<String>,
    /// The folder with the images or archives, which may have folders train, val and test; for the
    /// demo, where the images are drawn
    /// [default for the demo: data/demo-images]
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// The dataset's folder: new, empty, or where this very command was interrupted
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The validation tree, for folders that have it elsewhere
    #[arg(long, value_name = "PATH")]
    val: Option<PathBuf>,
    /// The side of the stored images [default: 256; CIFAR 32; Tiny ImageNet 64; demo 72]
    #[arg(long, value_name = "PIXELS", value_parser = within::<usize>(1..=4096))]
    size: Option<usize>,
    /// Decoding threads [default: one a core]; the output does not depend on it
    #[arg(
        long, value_name = "N", default_value_t = 0, hide_default_value = true,
        value_parser = within::<usize>(0..=*THREADS.end())
    )]
    threads: usize,
    /// Fail where an image cannot be read or is not taken, where a folder is not used, and where a
    /// class has no train image, instead of reporting it
    #[arg(long)]
    strict: bool,
    /// Images a shard [default: as many as make 1 GiB of raw pixels]
    #[arg(long, value_name = "N", value_parser = within::<usize>(1..=1 << 24))]
    shard_records: Option<usize>,
    /// What an image becomes: its central square, the same to the pixel as torchvision crops it, or
    /// the whole of it, warped to a square as Caffe does
    #[arg(
        long, value_name = "HOW", default_value = "crop",
        value_parser = PossibleValuesParser::new(["crop", "torchvision", "warp"])
    )]
    resize: String,
    /// How pixels are resampled: by the area that each covers, as OpenCV does and the authors did,
    /// or by another filter of Pillow's or, linear, of OpenCV's
    #[arg(
        long, value_name = "HOW", default_value = "area",
        value_parser = PossibleValuesParser::new(Resample::ALL.map(Resample::name))
    )]
    resample: String,
    /// What becomes of the orientation a camera noted: ignore it, as in 2012, or apply it
    #[arg(
        long, value_name = "WHAT", default_value = "ignore",
        value_parser = PossibleValuesParser::new(["ignore", "apply"])
    )]
    exif: String,
    /// The most pixels of an image file; larger ones are skipped. An image takes at most 4 bytes of
    /// memory for each, and time in proportion: 64 million are 256 MB and about 2 s
    #[arg(long, value_name = "N", default_value_t = MAX_PIXELS)]
    max_pixels: usize,
    /// Show no progress and, unless something fails, no summary
    #[arg(long)]
    quiet: bool,
    /// Progress and summary as lines of JSON on standard output
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    #[command(flatten)]
    stored: Stored,
    #[command(flatten)]
    machines: Machines,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How images are stored")]
struct Stored {
    /// raw (pixels, read at memory speed) or jpeg (about a sixth of the bytes, decoded by the
    /// loader's threads)
    #[arg(
        long, value_name = "HOW", default_value = "raw",
        value_parser = PossibleValuesParser::new(["raw", "jpeg"])
    )]
    encoding: String,
    /// The most bytes the dataset may take, as 100GB, 100GiB or 500MB: as many images raw as fit,
    /// evenly spread, the others jpeg
    #[arg(long, value_name = "SIZE", value_parser = size::parse, conflicts_with = "encoding")]
    budget: Option<u64>,
    /// The quality of jpeg images, 1 to 100 [default: 95]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Several machines")]
struct Machines {
    /// Make one part of several, counted from 1: --part 3/16 is the third of sixteen. auto takes
    /// the rank that Slurm, Open MPI, PMI or PMIx gave the process: rank 0 of 16 makes part 1/16.
    /// The parts may share one output folder, or have one each
    #[arg(long, value_name = "N/OF|auto", conflicts_with = "merge")]
    part: Option<String>,
    /// Join all parts to the dataset that one undivided run makes: those in the folders given, and
    /// those in --output itself. Other folders stay as they are; their shards become hard links, or
    /// copies on another file system
    #[arg(
        long, value_name = "DIR", num_args = 0..,
        conflicts_with_all = [
            "source", "input", "val", "size", "threads", "shard_records", "resize", "resample",
            "exif", "max_pixels", "encoding", "budget", "quality"
        ]
    )]
    merge: Option<Vec<PathBuf>>,
}

impl Stored {
    fn encoding(&self) -> Result<Encoding> {
        let quality = self.quality.unwrap_or(95);
        match (self.budget, self.encoding.as_str()) {
            (Some(bytes), _) => Ok(Encoding::Budget { bytes, quality }),
            (None, "jpeg") => Ok(Encoding::Jpeg { quality }),
            (None, _) if self.quality.is_some() => {
                bail!("--quality is of jpeg images: give --encoding jpeg or --budget with it")
            }
            (None, _) => Ok(Encoding::Raw),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let line = match &arguments.machines.merge {
        Some(parts) => {
            let merged = merge(parts, &arguments.output, arguments.strict)?;
            summary::whole(arguments.json, &merged)
        }
        None => prepared(arguments)?,
    };
    if !arguments.quiet {
        tell(&line);
    }
    Ok(())
}

/// Makes a dataset or a part of one, and gives its counts.
fn prepared(arguments: &Arguments) -> Result<String> {
    let part = arguments.machines.part.as_deref();
    let environment = |name: &str| std::env::var(name).ok();
    let part = part.map(|text| part::part(text, &environment)).transpose()?;
    let options = options(arguments)?;
    let bar = Arc::new(ProgressDisplay::new(arguments.quiet, arguments.json));
    let (shown, output) = (Arc::clone(&bar), arguments.output.clone());
    let say_so = move || {
        shown.clear();
        complain(&format!("error: {}", Error::Interrupted(output.clone())));
    };
    interrupt::catch(interrupt::PATIENCE, say_so).context("cannot catch Ctrl-C")?;
    let show = |progress| bar.show(progress);
    let counts = match part {
        None => prepare_until(&options, &show, &interrupt::STOP)
            .map(|s| summary::whole(arguments.json, &s)),
        Some(part) => prepare_part(&options, part, &show, &interrupt::STOP)
            .map(|s| summary::part(arguments.json, part, &s)),
    };
    interrupt::ended();
    bar.clear();
    Ok(counts?)
}

fn options(arguments: &Arguments) -> Result<PrepareOptions> {
    let encoding = arguments.stored.encoding()?;
    let (source, input) = source_and_input(arguments)?;
    let named = |resample: &Resample| resample.name() == arguments.resample;
    Ok(PrepareOptions {
        val: arguments.val.clone(),
        size: arguments.size.unwrap_or(source.default_size()),
        threads: arguments.threads,
        strict: arguments.strict,
        shard_records: arguments.shard_records,
        resample: Resample::ALL.into_iter().find(named).unwrap_or_default(),
        crop: match &arguments.resize[..] {
            "torchvision" => Crop::Torchvision,
            "warp" => Crop::Whole,
            _ => Crop::Centre,
        },
        exif: if arguments.exif == "apply" { Exif::Apply } else { Exif::Ignore },
        max_pixels: arguments.max_pixels,
        encoding,
        ..PrepareOptions::new(source, input, &arguments.output)
    })
}

/// The source and its input. A source that is not named is recognised by the input, and printed.
fn source_and_input(arguments: &Arguments) -> Result<(Source, PathBuf)> {
    let named = arguments.source.as_deref();
    let named = named.and_then(|name| Source::ALL.into_iter().find(|s| s.name() == name));
    match (named, &arguments.input) {
        (Some(source), Some(input)) => Ok((source, input.clone())),
        (Some(Source::Demo), None) => Ok((Source::Demo, "data/demo-images".into())),
        (None, Some(input)) => {
            let source = Source::detect(input)?;
            if !arguments.quiet {
                complain(&format!("{} looks like the source {}", input.display(), source.name()));
            }
            Ok((source, input.clone()))
        }
        (_, None) => bail!("--input is missing: expected the folder with the images or archives"),
    }
}
