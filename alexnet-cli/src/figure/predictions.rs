//! `alexnet figure predictions`: images with five guesses each, as the left of Figure 4.

use std::path::PathBuf;

use alexnet_data::{Dataset, Split, Views, sample};
use alexnet_train::{ImageSource, classify, predict_records};
use anyhow::{Result, bail, ensure};

use super::checkpoint::{CheckpointArguments, Loaded};
use super::guesses::{COLUMNS, Guessed, draw, guesses};
use super::output::OutputArguments;
use crate::class_words::short;
use crate::numbers::within;

/// Images with five guesses as bars, the right class in another colour (Figure 4, left)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    checkpoint: CheckpointArguments,
    /// Dataset folder, of which images are drawn
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    data: Option<PathBuf>,
    /// The split of the dataset
    #[arg(long, default_value = "val", requires = "data")]
    split: String,
    /// How many images are drawn
    #[arg(long, default_value_t = 8, requires = "data", value_parser = within::<usize>(1..=400))]
    count: usize,
    /// The seed of the draw
    #[arg(long, default_value_t = 1, requires = "data")]
    seed: u64,
    /// JPEG, PNG, BMP, GIF, WebP or TIFF files
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.output.check()?;
    let loaded = arguments.checkpoint.load()?;
    let guessed = match &arguments.data {
        Some(dir) => {
            let data = loaded.dataset(dir)?;
            let split = data.split(&arguments.split)?;
            let count = arguments.count.min(split.len());
            ensure!(count > 0, "split `{}` of {} has no images", split.name(), dir.display());
            of_records(&loaded, &data, split, &sample(split.len(), count, arguments.seed))?
        }
        None if arguments.images.is_empty() => {
            bail!("no images: name image files, or a dataset with --data DIR")
        }
        None => of_files(&loaded, &arguments.images)?,
    };
    arguments.output.write(&draw(&guessed, COLUMNS))
}

/// Guesses for records of a dataset.
fn of_records(
    loaded: &Loaded,
    data: &Dataset,
    split: &Split,
    records: &[usize],
) -> Result<Vec<Guessed>> {
    let rows = predict_records(&loaded.network, &loaded.inputs, split, records, &mut |_| ())?;
    let pairs = records.iter().zip(&rows);
    pairs.map(|(record, row)| Guessed::record(data, split, *record, row)).collect()
}

/// Guesses for image files, whose right classes no one says.
fn of_files(loaded: &Loaded, images: &[PathBuf]) -> Result<Vec<Guessed>> {
    let [input] = &loaded.inputs[..] else { bail!("--device: images are predicted on one device") };
    let classes = &loaded.checkpoint.classes;
    let mut decoder = loaded.checkpoint.preprocessing.decoder();
    let guessed = images.iter().map(|path| {
        let pixels = ImageSource::from(path.clone()).decode(&mut decoder)?;
        let row = classify(&loaded.network, input, &pixels, Views::One)?;
        let name = |class: usize| classes.get(class).map_or("?", |name| short(name)).to_owned();
        let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Guessed { pixels, title, right: None, guesses: guesses(&row, name) })
    });
    guessed.collect()
}
