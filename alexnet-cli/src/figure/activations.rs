//! `alexnet figure activations`: what each layer sees of an image.

use std::path::PathBuf;

use alexnet_data::{Pixels, Views, test_views};
use alexnet_train::{ImageSource, Maps, activation_maps};
use anyhow::{Result, bail};

use super::checkpoint::{CheckpointArguments, Loaded};
use super::output::OutputArguments;
use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Drawing, Picture, font};
use crate::numbers::within;

/// What each layer sees of an image: the maps of its most active channels
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    checkpoint: CheckpointArguments,
    /// A JPEG, PNG, BMP, GIF, WebP or TIFF file
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// How many channels of each layer are shown
    #[arg(long, default_value_t = 12, value_parser = within::<usize>(1..=64))]
    channels: usize,
    #[command(flatten)]
    output: OutputArguments,
}

/// A layer with its most active channels.
struct Layer {
    name: String,
    maps: Maps,
    /// The most active channels, the most active first.
    channels: Vec<usize>,
}

/// The side of a map, and the space between two.
const SIDE: f64 = 60.0;
const GAP: f64 = 6.0;
/// The side of the image, and the space around it.
const IMAGE: f64 = 200.0;
const MARGIN: f64 = 16.0;
/// The width of the names of layers.
const NAMES: f64 = 110.0;
const TEXT: f64 = 14.0;
const SMALL: f64 = 12.0;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.output.check()?;
    let loaded = arguments.checkpoint.load()?;
    let Loaded { network, checkpoint, inputs, .. } = &loaded;
    let [input] = &inputs[..] else { bail!("--device: this figure is made on one device") };
    let source = ImageSource::from(arguments.image.clone());
    let pixels = source.decode(&mut checkpoint.preprocessing.decoder())?;
    let mut layers = Vec::new();
    for layer in &checkpoint.network.layers {
        // A layer that acts on each value alone shows what the layer before it shows.
        let alone = layer.kind.activation().is_some() || layer.kind.word() == "dropout";
        if !alone && let Some(maps) = activation_maps(network, input, &pixels, &layer.name)? {
            let channels = most_active(&maps, arguments.channels);
            layers.push(Layer { name: layer.name.clone(), maps, channels });
        }
    }
    let [_, h, w] = checkpoint.network.input;
    let name = arguments.image.file_name().unwrap_or_default().to_string_lossy();
    arguments.output.write(&draw(&seen(&pixels, [h, w])?, &name, &layers, arguments.channels))
}

/// The channels with the largest sums of what passes a ReLU, the largest first.
fn most_active(maps: &Maps, count: usize) -> Vec<usize> {
    let sum = |map: &Vec<f32>| map.iter().map(|v| f64::from(v.max(0.0))).sum::<f64>();
    let sums: Vec<f64> = maps.channels.iter().map(sum).collect();
    let mut channels: Vec<usize> = (0..sums.len()).collect();
    channels.sort_by(|a, b| sums[*b].total_cmp(&sums[*a])); // stable: of equal ones the first
    channels.truncate(count);
    channels
}

/// The part of an image that the network sees: its centre.
fn seen(image: &Pixels, [height, width]: [usize; 2]) -> Result<Pixels> {
    let view = test_views([image.height, image.width], [height, width], Views::One)?[0];
    let rows = image.data.chunks_exact(3 * image.width).skip(view.top).take(height);
    let data = rows.flat_map(|row| row[3 * view.left..3 * (view.left + width)].to_vec());
    Ok(Pixels::new(height, width, data.collect()))
}

/// The image on the left, and a row for each layer.
fn draw(image: &Pixels, name: &str, layers: &[Layer], columns: usize) -> Drawing {
    let [row, left] = [SIDE + 2.0 * GAP, IMAGE + 2.0 * MARGIN + 8.0];
    let most = layers.iter().map(|layer| layer.channels.len()).max().unwrap_or(0).min(columns);
    let width = left + NAMES + most as f64 * (SIDE + GAP) + MARGIN;
    let height = (layers.len() as f64 * row).max(IMAGE + 30.0) + 2.0 * MARGIN;
    let title = format!("What each layer of the network sees of {name}");
    let mut drawing = Drawing::new(width, height, title);
    let picture = Picture { pixels: image.clone(), title: name.to_owned(), photograph: true };
    drawing.picture(MARGIN, MARGIN, IMAGE, IMAGE, picture);
    let baseline = [MARGIN, MARGIN + IMAGE + 18.0];
    drawing.text(baseline, &font::fit(name, SMALL, IMAGE), SMALL, Ink::Faint, Anchor::Start);
    for (n, Layer { name, maps, channels }) in layers.iter().enumerate() {
        let top = MARGIN + n as f64 * row;
        let middle = top + SIDE / 2.0;
        let shape = format!("{} × {} × {}", maps.channels.len(), maps.height, maps.width);
        let fitted = font::fit(name, TEXT, NAMES - 10.0);
        drawing.text([left, middle - 2.0], &fitted, TEXT, Ink::Text, Anchor::Start);
        drawing.text([left, middle + 15.0], &shape, SMALL, Ink::Faint, Anchor::Start);
        // One scale for the whole row: a channel that is more active is brighter.
        let shown = channels.iter().flat_map(|channel| &maps.channels[*channel]);
        let brightest = shown.fold(0.0f32, |most, value| most.max(*value));
        for (place, channel) in channels.iter().enumerate() {
            let x = left + NAMES + place as f64 * (SIDE + GAP);
            let pixels = grey(&maps.channels[*channel], [maps.height, maps.width], brightest);
            let title = format!("{name}, channel {}", channel + 1);
            drawing.picture(x, top, SIDE, SIDE, Picture { pixels, title, photograph: false });
        }
    }
    drawing
}

/// A map as a grey picture: black is zero and less, white the brightest of its row.
fn grey(values: &[f32], [height, width]: [usize; 2], brightest: f32) -> Pixels {
    let scale = if brightest > 0.0 { 255.0 / brightest } else { 0.0 };
    let shade = |value: &f32| [(value.max(0.0) * scale).round() as u8; 3];
    Pixels::new(height, width, values.iter().flat_map(shade).collect())
}
