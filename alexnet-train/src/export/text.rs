//! What people are told in files of weights.

use crate::checkpoint::description::Description;
use crate::recipe::Mean;

/// What a network takes, in words.
pub(super) fn input_in_words(description: &Description) -> String {
    let Description { network, recipe, preprocessing, .. } = description;
    let [_, h, w] = network.input;
    let mean = match recipe.input.mean {
        Mean::CentreWindow => "the middle of the mean image",
        Mean::Aligned => "the part of the mean image where the crop lies",
        Mean::Channel => "the mean of each channel",
    };
    let scale = match recipe.input.scale {
        [1.0, 1.0, 1.0] => String::new(),
        [r, g, b] => format!(", times {r}, {g}, {b}"),
    };
    format!(
        "RGB, {h} x {w} pixels, of an image of {} x {}: pixels of 0 to 255 minus {mean}{scale}",
        preprocessing.height, preprocessing.width
    )
}

/// A text in one line that can stand within quotes and backquotes.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '"' | '`' => '\'',
        '\\' => '/',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(plain).collect()
}
