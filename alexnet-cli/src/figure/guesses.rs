//! Images with the most probable classes below them as bars, as the left of Figure 4.

use alexnet_data::{Dataset, Pixels, Split};
use alexnet_train::ranking;
use anyhow::Result;

use crate::class_words::first;
use crate::drawing::font;
use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Drawing, Picture};

/// An image with what the network takes it for.
#[derive(Debug, Clone)]
pub(crate) struct Guessed {
    pub(crate) pixels: Pixels,
    /// The right class, in words, where it is known; else the name of the image.
    pub(crate) title: String,
    /// The right class as an index, where it is known.
    pub(crate) right: Option<usize>,
    /// The most probable classes with their probabilities and words.
    pub(crate) guesses: Vec<(usize, f64, String)>,
}

/// Guesses for each image, as in the paper.
const GUESSES: usize = 5;
/// Images in a row, as in the paper.
pub(crate) const COLUMNS: usize = 4;
/// The width of a cell, and the space around it.
const CELL: f64 = 176.0;
const GAP: f64 = 20.0;
/// Sizes of text: of the right class, and of guesses.
const TITLE: f64 = 14.0;
const SMALL: f64 = 12.0;
/// The height of a bar with its name.
const BAR: f64 = 24.0;

impl Guessed {
    /// A record of a dataset with the network's probabilities for it.
    pub(crate) fn record(
        data: &Dataset,
        split: &Split,
        record: usize,
        probabilities: &[f64],
    ) -> Result<Self> {
        let stored = split.record(record)?;
        let right = stored.label as usize;
        let pixels = Pixels::new(split.height(), split.width(), stored.pixels.into_owned());
        let words = |class: usize| class_words(data, class);
        let guesses = guesses(probabilities, words);
        Ok(Self { pixels, title: words(right), right: Some(right), guesses })
    }
}

/// The most probable classes with their probabilities and words.
pub(crate) fn guesses(
    probabilities: &[f64],
    words: impl Fn(usize) -> String,
) -> Vec<(usize, f64, String)> {
    let ranked = ranking(probabilities, GUESSES).into_iter();
    ranked.map(|(class, probability)| (class, probability, words(class))).collect()
}

/// A class in words: `kit fox` of `kit fox, Vulpes macrotis`, or its name.
pub(crate) fn class_words(data: &Dataset, class: usize) -> String {
    let Some(class) = data.manifest().classes.get(class) else { return "?".to_owned() };
    class.words.as_deref().map_or(&*class.name, first).to_owned()
}

/// The images in rows of at most so many.
pub(crate) fn draw(images: &[Guessed], columns: usize) -> Drawing {
    let columns = columns.min(images.len()).max(1);
    let bars = images.iter().map(|image| image.guesses.len()).max().unwrap_or(0);
    let height = CELL + 30.0 + bars as f64 * BAR;
    let rows = images.len().div_ceil(columns);
    let mut drawing = Drawing::new(
        columns as f64 * (CELL + GAP) + GAP,
        rows as f64 * (height + GAP) + GAP,
        format!("{} images with their most probable classes", images.len()),
    );
    for (n, image) in images.iter().enumerate() {
        let left = GAP + (n % columns) as f64 * (CELL + GAP);
        let top = GAP + (n / columns) as f64 * (height + GAP);
        cell(&mut drawing, image, [left, top]);
    }
    drawing
}

fn cell(drawing: &mut Drawing, image: &Guessed, [left, top]: [f64; 2]) {
    let Guessed { pixels, title, right, guesses } = image;
    let picture = Picture { pixels: pixels.clone(), title: title.clone(), photograph: true };
    drawing.picture(left, top, CELL, CELL, picture);
    let below = top + CELL;
    let text = font::fit(title, TITLE, CELL);
    let middle = [left + CELL / 2.0, below + TITLE + 6.0];
    drawing.text(middle, &text, TITLE, Ink::Text, Anchor::Middle);
    bars(drawing, guesses, *right, [left, below + 30.0], CELL);
}

/// Classes with their probabilities as bars of a width, the right class in another colour.
pub(crate) fn bars(
    drawing: &mut Drawing,
    guesses: &[(usize, f64, String)],
    right: Option<usize>,
    [left, top]: [f64; 2],
    width: f64,
) {
    for (n, (class, probability, name)) in guesses.iter().enumerate() {
        let y = top + n as f64 * BAR;
        let is_right = right == Some(*class);
        let ink = if is_right { Ink::Right } else { Ink::Guess };
        let per_cent = per_cent(*probability);
        let space = width - font::width(&per_cent, SMALL) - 10.0;
        let name = font::fit(name, SMALL, space);
        drawing.text([left, y + 12.0], &name, SMALL, Ink::Text, Anchor::Start);
        drawing.text([left + width, y + 12.0], &per_cent, SMALL, Ink::Faint, Anchor::End);
        drawing.rect(left, y + 17.0, width, 3.0, Ink::Grid);
        drawing.rect(left, y + 17.0, width * probability.clamp(0.0, 1.0), 3.0, ink);
    }
}

/// A probability in per cent; what is between is neither 0 nor 100.
pub(crate) fn per_cent(probability: f64) -> String {
    match 100.0 * probability {
        p if p > 0.0 && p < 0.1 => "< 0.1 %".to_owned(),
        p if p < 100.0 && p > 99.9 => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}
