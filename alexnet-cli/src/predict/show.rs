//! What was done to the first images of a prediction, for a picture of it.

use alexnet_data::{Crop, Decoder, Exif, Pixels, Preprocessing, View, Views};
use alexnet_data::{test_views, thumbnail};
use alexnet_model::Network;
use alexnet_train::{Checkpoint, InputStage, Maps, Prediction, input_maps};
use anyhow::{Context, Result};

use super::picture::{Shown, Step, draw};
use crate::class_words::short;
use crate::drawing::Drawing;
use crate::figure::guesses::guesses;

/// The most images that are drawn.
const SHOWN: usize = 20;
/// The longer side of the picture of a file, in pixels: twice what it is shown at.
const THUMBNAIL: usize = 480;

/// Remembers what was done to the first images.
pub(super) struct Show<'a> {
    network: &'a Network,
    input: &'a InputStage,
    checkpoint: &'a Checkpoint,
    /// The crops that are shown, and how many the network sees.
    views: Vec<View>,
    all_views: usize,
    top: usize,
    images: Vec<Shown>,
}

impl<'a> Show<'a> {
    pub(super) fn new(
        network: &'a Network,
        input: &'a InputStage,
        checkpoint: &'a Checkpoint,
        views: Views,
        top: usize,
    ) -> Result<Self> {
        let Preprocessing { height, width, .. } = checkpoint.preprocessing;
        let [_, h, w] = network.spec().input;
        let views_of = |views| test_views([height, width], [h, w], views);
        let all_views = views_of(views)?.len();
        // All of them are too many to look at, and the ten lie as they do.
        let views = views_of(if views == Views::All { Views::Ten } else { views })?;
        Ok(Self { network, input, checkpoint, views, all_views, top, images: Vec::new() })
    }

    /// Remembers an image, if it is one of the first.
    pub(super) fn add(&mut self, prediction: &Prediction) -> Result<()> {
        if self.images.len() == SHOWN {
            return Ok(());
        }
        let Prediction { source, pixels, probabilities } = prediction;
        let path = source.path();
        let steps = [
            self.file(&source.bytes()?).with_context(|| path.display().to_string())?,
            self.square(pixels),
            self.crops(pixels)?,
        ];
        let words = |class: usize| match self.checkpoint.classes.get(class) {
            Some(name) => short(name).to_owned(),
            None => "?".to_owned(),
        };
        let mut guesses = guesses(probabilities, words);
        guesses.truncate(self.top);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.images.push(Shown { name, steps, guesses });
        Ok(())
    }

    /// The picture of those of `seen` images that were added, if any was.
    pub(super) fn draw(&self, seen: u64) -> Option<Drawing> {
        (!self.images.is_empty()).then(|| draw(&self.images, seen))
    }

    /// The file, and the part of it that the square has.
    fn file(&self, bytes: &[u8]) -> Result<Step> {
        let Preprocessing { height, width, crop, exif, .. } = self.checkpoint.preprocessing;
        let whole = |exif| Decoder::new(height.min(width), exif).decode_whole(bytes);
        let (used, other) = match exif {
            Exif::Apply => (whole(Exif::Apply)?, whole(Exif::Ignore)?),
            Exif::Ignore => (whole(Exif::Ignore)?, whole(Exif::Apply)?),
        };
        let turned = match (used == other, exif) {
            (true, _) => "no EXIF orientation to apply",
            (false, Exif::Apply) => "EXIF orientation applied",
            (false, Exif::Ignore) => "EXIF orientation ignored",
        };
        let [rows, columns] = [used.height, used.width].map(|side| side as f64);
        let kept = match crop {
            Crop::Centre | Crop::Torchvision => {
                [rows, columns].map(|side| rows.min(columns) / side)
            }
            Crop::Whole => [1.0; 2],
        };
        let outline = [(1.0 - kept[0]) / 2.0, (1.0 - kept[1]) / 2.0, kept[0], kept[1]];
        let size = format!("{} × {} pixels", used.width, used.height);
        let pictures = vec![thumbnail(&used, THUMBNAIL)?];
        Ok(Step { pictures, outlines: vec![outline], caption: [size, turned.to_owned()] })
    }

    /// The square that was made of it, and where its crops lie.
    fn square(&self, pixels: &Pixels) -> Step {
        let Preprocessing { resample, crop, .. } = self.checkpoint.preprocessing;
        let [_, h, w] = self.network.spec().input;
        let [rows, columns] = [pixels.height, pixels.width].map(|side| side as f64);
        let mut outlines: Vec<[f64; 4]> = Vec::new();
        for view in &self.views {
            let (top, left) = (view.top as f64 / rows, view.left as f64 / columns);
            let outline = [top, left, h as f64 / rows, w as f64 / columns];
            if !outlines.contains(&outline) {
                outlines.push(outline);
            }
        }
        let size = format!("{} × {} pixels, by {}", pixels.width, pixels.height, resample.name());
        let how = match crop {
            Crop::Centre | Crop::Torchvision => "shorter side resized, centre kept",
            Crop::Whole => "both sides resized",
        };
        Step { pictures: vec![pixels.clone()], outlines, caption: [size, how.to_owned()] }
    }

    /// The crops as the network saw them.
    fn crops(&self, pixels: &Pixels) -> Result<Step> {
        let maps = input_maps(self.network, self.input, pixels, &self.views)?;
        let values = || maps.iter().flat_map(|map| map.channels.iter().flatten().copied());
        let [least, most] = [values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max)];
        let largest = least.abs().max(most.abs());
        let pictures = maps.iter().map(|map| signed(map, largest)).collect();
        let [_, h, w] = self.network.spec().input;
        let count = match (self.views.len(), self.all_views) {
            (1, _) => format!("a crop of {w} × {h} pixels"),
            (shown, all) if shown == all => format!("{all} crops of {w} × {h} pixels"),
            (shown, all) => format!("{shown} of {all} crops of {w} × {h} pixels"),
        };
        let range = format!("less the mean: {least:.1} to {most:.1}; grey is 0").replace('-', "−");
        Ok(Step { pictures, outlines: Vec::new(), caption: [count, range] })
    }
}

/// An image of values around 0: grey is 0, and the darkest or the brightest is `largest` away.
fn signed(map: &Maps, largest: f32) -> Pixels {
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let level = |value: f32| (128.0 + value * scale).round() as u8;
    let pixels = (0..map.height * map.width)
        .flat_map(|pixel| map.channels.iter().map(move |channel| level(channel[pixel])));
    Pixels::new(map.height, map.width, pixels.collect())
}
