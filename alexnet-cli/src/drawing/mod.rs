//! A drawing: shapes, text and pictures at places, which become SVG or PNG.
//!
//! Figures and reports are laid out once, as a list of [`Item`]s, and written twice: `svg.rs` turns
//! each item into an element, and `png.rs` paints it. Neither needs a font of the system, nor a
//! browser: `font.rs` has the one font of this program.

pub(crate) mod font;
pub(crate) mod ink;
pub(crate) mod png;
pub(crate) mod svg;

use alexnet_data::Pixels;

use self::ink::Ink;

/// A drawing of a size, in units of one CSS pixel, from the upper left corner.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What it shows in one sentence, for those who cannot see it.
    pub(crate) title: String,
    /// Later items lie over earlier ones.
    pub(crate) items: Vec<Item>,
}

/// Something at a place.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// A filled rectangle.
    Rect { area: Area, ink: Ink },
    /// A line through points.
    Line { points: Vec<[f64; 2]>, ink: Ink, width: f64, dashed: bool },
    /// A line of text, whose baseline goes through `at`.
    Text { at: [f64; 2], text: String, size: f64, ink: Ink, anchor: Anchor },
    /// A picture, stretched to an area.
    Picture { area: Area, picture: Picture },
}

/// A rectangle: its upper left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A picture with a name.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) pixels: Pixels,
    /// What it shows, for those who cannot see it or who point at it.
    pub(crate) title: String,
    /// Whether it is a photograph, which an SVG holds as JPEG, or has few pixels that all count.
    pub(crate) photograph: bool,
}

/// Which end of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    pub(crate) fn new(width: f64, height: f64, title: impl Into<String>) -> Self {
        Self { width, height, title: title.into(), items: Vec::new() }
    }

    pub(crate) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, ink: Ink) {
        self.items.push(Item::Rect { area: Area { x, y, width, height }, ink });
    }

    pub(crate) fn line(&mut self, points: Vec<[f64; 2]>, ink: Ink, width: f64, dashed: bool) {
        self.items.push(Item::Line { points, ink, width, dashed });
    }

    pub(crate) fn text(&mut self, at: [f64; 2], text: &str, size: f64, ink: Ink, anchor: Anchor) {
        self.items.push(Item::Text { at, text: text.to_owned(), size, ink, anchor });
    }

    pub(crate) fn picture(&mut self, x: f64, y: f64, width: f64, height: f64, picture: Picture) {
        self.items.push(Item::Picture { area: Area { x, y, width, height }, picture });
    }
}
