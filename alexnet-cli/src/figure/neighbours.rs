//! `alexnet figure neighbours`: the training images nearest to validation images, by what the last
//! hidden layer makes of them, as the right of Figure 4.

use std::path::PathBuf;

use alexnet_data::{Dataset, Pixels, Split, sample};
use alexnet_train::{FeatureImages, NearestSearch, feature_rows, features};
use anyhow::{Context, Result, ensure};

use super::checkpoint::{CheckpointArguments, Loaded};
use super::guesses::class_words;
use super::output::OutputArguments;
use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Drawing, Picture, font};
use crate::numbers::{THREADS, within};
use crate::progress::with_bar;

/// Validation images and the training images nearest to them (Figure 4, right)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    checkpoint: CheckpointArguments,
    /// Dataset folder, made by `alexnet prepare-data`
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Validation images, drawn by the seed: a row for each
    #[arg(long, default_value_t = 5, value_parser = within::<usize>(1..=100))]
    queries: usize,
    /// Training images in a row, the nearest first
    #[arg(long, default_value_t = 6, value_parser = within::<usize>(1..=50))]
    columns: usize,
    /// The seed of the draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The layer whose outputs are compared [default: the last hidden one]
    #[arg(long)]
    layer: Option<String>,
    /// Threads that read images
    #[arg(long, default_value_t = 1, value_parser = within::<usize>(THREADS))]
    loader_threads: usize,
    #[command(flatten)]
    output: OutputArguments,
}

/// An image with its class.
struct Image {
    pixels: Pixels,
    class: usize,
    words: String,
}

/// A validation image with the training images nearest to it and their distances.
struct Row {
    query: Image,
    nearest: Vec<(Image, f64)>,
}

/// The side of an image, the space between two, that after the first, and that for its class.
const SIDE: f64 = 104.0;
const GAP: f64 = 8.0;
const FIRST_GAP: f64 = 26.0;
const WORDS: f64 = 24.0;
const SMALL: f64 = 11.5;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.output.check()?;
    let loaded = arguments.checkpoint.load()?;
    let data = loaded.dataset(&arguments.data)?;
    arguments.output.write(&draw(&rows(arguments, &loaded, &data)?, arguments.columns))
}

fn rows(arguments: &Arguments, loaded: &Loaded, data: &Dataset) -> Result<Vec<Row>> {
    let Loaded { network, inputs, checkpoint, .. } = loaded;
    let (train, val) = (data.split("train")?, data.split("val")?);
    ensure!(!val.is_empty(), "{} has no validation images", arguments.data.display());
    let layer = arguments.layer.as_deref().or_else(|| checkpoint.network.last_hidden());
    let layer = layer.context("the network has no hidden layer; name one with --layer")?;
    let queries = sample(val.len(), arguments.queries, arguments.seed);
    let (mut wanted, asked) = (Vec::new(), FeatureImages::Records(val, &queries));
    features(network, asked, inputs, layer, 1, &mut |outputs| {
        wanted.extend(feature_rows(outputs)?);
        Ok(())
    })?;
    let mut search = NearestSearch::new(wanted, arguments.columns);
    with_bar("features", |report| {
        let (mut done, all) = (0, train.len() as u64);
        let (images, threads) = (FeatureImages::Split(train), arguments.loader_threads);
        features(network, images, inputs, layer, threads, &mut |outputs| {
            let block = feature_rows(outputs)?;
            search.add(&block);
            done += block.len() as u64;
            report(done, all);
            Ok(())
        })
    })?;
    let pairs = queries.into_iter().zip(search.nearest());
    let row = |(query, nearest): (usize, Vec<alexnet_train::Neighbour>)| {
        let nearest = nearest.into_iter().map(|n| Ok((image(data, train, n.index)?, n.distance)));
        Ok(Row { query: image(data, val, query)?, nearest: nearest.collect::<Result<_>>()? })
    };
    pairs.map(row).collect()
}

fn image(data: &Dataset, split: &Split, record: usize) -> Result<Image> {
    let stored = split.record(record)?;
    let class = stored.label as usize;
    let pixels = Pixels::new(split.height(), split.width(), stored.pixels.into_owned());
    Ok(Image { pixels, class, words: class_words(data, class) })
}

/// A row for each validation image: it first, then what is nearest to it. Classes that are the
/// validation image's have another colour.
fn draw(rows: &[Row], columns: usize) -> Drawing {
    let step = SIDE + GAP;
    let width = GAP + SIDE + FIRST_GAP + columns as f64 * step;
    let height = GAP + rows.len() as f64 * (SIDE + WORDS);
    let title = format!("{} validation images and the training images nearest to each", rows.len());
    let mut drawing = Drawing::new(width, height, title);
    for (n, Row { query, nearest }) in rows.iter().enumerate() {
        let top = GAP + n as f64 * (SIDE + WORDS);
        cell(&mut drawing, query, [GAP, top], Ink::Text, "validation image");
        for (place, (image, distance)) in nearest.iter().enumerate() {
            let left = GAP + SIDE + FIRST_GAP + place as f64 * step;
            let ink = if image.class == query.class { Ink::Right } else { Ink::Faint };
            let what = format!("training image at distance {distance:.2}");
            cell(&mut drawing, image, [left, top], ink, &what);
        }
    }
    drawing
}

fn cell(drawing: &mut Drawing, image: &Image, [left, top]: [f64; 2], ink: Ink, what: &str) {
    let Image { pixels, words, .. } = image;
    let title = format!("{words}: {what}");
    let picture = Picture { pixels: pixels.clone(), title, photograph: true };
    drawing.picture(left, top, SIDE, SIDE, picture);
    let middle = [left + SIDE / 2.0, top + SIDE + 14.0];
    drawing.text(middle, &font::fit(words, SMALL, SIDE), SMALL, ink, Anchor::Middle);
}
