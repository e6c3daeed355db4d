//! The picture of what was done to images: a row for each, from the file to the guesses.

use alexnet_data::Pixels;

use crate::drawing::font;
use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Area, Drawing, Picture};
use crate::figure::guesses::bars;

/// An image, and what was done to it.
pub(super) struct Shown {
    pub(super) name: String,
    /// The file, the square, and what the network sees.
    pub(super) steps: [Step; 3],
    /// The most probable classes with their probabilities and words.
    pub(super) guesses: Vec<(usize, f64, String)>,
}

/// One thing that was done to an image: what came of it.
pub(super) struct Step {
    pub(super) pictures: Vec<Pixels>,
    /// Parts of the picture that the next step takes: top, left, height, width, as shares of it.
    pub(super) outlines: Vec<[f64; 4]>,
    pub(super) caption: [String; 2],
}

/// The side of the square that a step is drawn in.
const SIDE: f64 = 224.0;
/// The space between crops, and the space of an arrow between steps.
const GAP: f64 = 6.0;
const ARROW: f64 = 44.0;
const MARGIN: f64 = 20.0;
/// The width of the bars.
const BARS: f64 = 240.0;
/// Sizes of text, and the height of a line of it.
const TITLE: f64 = 15.0;
const SMALL: f64 = 12.0;
const LINE: f64 = 16.0;
/// The height of a row: its title, its pictures, its captions and the space below.
const ROW: f64 = 26.0 + SIDE + 2.0 * LINE + 24.0;
/// The height of the line of what each step is.
const HEAD: f64 = 42.0;

/// A row for each of `images`, the first of `seen`.
pub(super) fn draw(images: &[Shown], seen: u64) -> Drawing {
    let crops = images.first().map_or(1, |image| image.steps[2].pictures.len());
    let widths = [SIDE, SIDE, crops_width(crops)];
    let mut lefts = [MARGIN; 4];
    for step in 0..3 {
        lefts[step + 1] = lefts[step] + widths[step] + ARROW;
    }
    let width = lefts[3] + BARS + MARGIN;
    let height = HEAD + images.len() as f64 * ROW + MARGIN;
    let what = match images.len() as u64 == seen {
        true => "what was done to each image".to_owned(),
        false => format!("what was done to {} of {seen} images", images.len()),
    };
    let mut drawing = Drawing::new(width, height, format!("Predictions: {what}"));
    let heads = ["the file", "resized to", "the network sees", "and takes it for"];
    for (head, left) in heads.into_iter().zip(lefts) {
        drawing.text([left, MARGIN + 8.0], head, TITLE, Ink::Faint, Anchor::Start);
    }
    for (n, image) in images.iter().enumerate() {
        let top = HEAD + n as f64 * ROW;
        let name = font::fit(&image.name, TITLE, width - 2.0 * MARGIN);
        drawing.text([MARGIN, top + 20.0], &name, TITLE, Ink::Text, Anchor::Start);
        let top = top + 30.0;
        for ((step, left), width) in image.steps.iter().zip(lefts).zip(widths) {
            draw_step(&mut drawing, step, &image.name, [left, top], width);
            arrow(&mut drawing, left + width, top + SIDE / 2.0);
        }
        bars(&mut drawing, &image.guesses, None, [lefts[3], top + 30.0], BARS);
    }
    drawing
}

/// Columns and rows of so many crops: the ten of the paper are five, and the same mirrored.
fn grid(crops: usize) -> [usize; 2] {
    let columns = match crops {
        0 | 1 => 1,
        2 => 2,
        9 => 3,
        _ => 5,
    };
    [columns, crops.max(1).div_ceil(columns)]
}

/// The side of one of so many crops.
fn crop_side(crops: usize) -> f64 {
    let rows = grid(crops)[1] as f64;
    (SIDE - (rows - 1.0) * GAP) / rows
}

fn crops_width(crops: usize) -> f64 {
    let columns = grid(crops)[0] as f64;
    columns * crop_side(crops) + (columns - 1.0) * GAP
}

/// The pictures of a step side by side, with its caption below them.
fn draw_step(drawing: &mut Drawing, step: &Step, name: &str, [left, top]: [f64; 2], width: f64) {
    let Step { pictures, outlines, caption } = step;
    let (side, [columns, _]) = (crop_side(pictures.len()), grid(pictures.len()));
    for (n, pixels) in pictures.iter().enumerate() {
        let x = left + (n % columns) as f64 * (side + GAP);
        let y = top + (n / columns) as f64 * (side + GAP);
        let area = fitted(pixels, Area { x, y, width: side, height: side });
        let title = format!("{name}: {}", caption[0]);
        let picture = Picture { pixels: pixels.clone(), title, photograph: true };
        drawing.picture(area.x, area.y, area.width, area.height, picture);
        for outline in outlines {
            draw_outline(drawing, area, *outline);
        }
    }
    for (line, text) in caption.iter().enumerate() {
        let y = top + SIDE + LINE * (line as f64 + 1.0);
        let text = font::fit(text, SMALL, width + ARROW - GAP);
        drawing.text([left, y], &text, SMALL, Ink::Faint, Anchor::Start);
    }
}

/// Where a picture lies in an area, all of it and in its proportion.
fn fitted(pixels: &Pixels, area: Area) -> Area {
    let [rows, columns] = [pixels.height, pixels.width].map(|side| side.max(1) as f64);
    let scale = (area.width / columns).min(area.height / rows);
    let (width, height) = ((columns * scale).max(1.0), (rows * scale).max(1.0));
    let x = area.x + (area.width - width) / 2.0;
    Area { x, y: area.y + (area.height - height) / 2.0, width, height }
}

/// The edge of a part of a picture.
fn draw_outline(drawing: &mut Drawing, area: Area, [top, left, height, width]: [f64; 4]) {
    let [x, right] = [left, left + width].map(|share| area.x + share * area.width);
    let [y, bottom] = [top, top + height].map(|share| area.y + share * area.height);
    let corners = vec![[x, y], [right, y], [right, bottom], [x, bottom], [x, y]];
    drawing.line(corners, Ink::Curve(1), 1.5, false);
}

/// An arrow in the space after a step.
fn arrow(drawing: &mut Drawing, left: f64, y: f64) {
    let (start, end) = (left + 10.0, left + ARROW - 10.0);
    drawing.line(vec![[start, y], [end, y]], Ink::Faint, 1.5, false);
    drawing.line(
        vec![[end - 5.0, y - 4.0], [end, y], [end - 5.0, y + 4.0]],
        Ink::Faint,
        1.5,
        false,
    );
}
