//! The one font of drawings: how wide a text is, and the outlines of its letters.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// Roboto, in the letters that assets/README.md lists.
static FACE: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("../../assets/Roboto-Regular.ttf"), 0).ok());

/// The fonts that an SVG asks its viewer for: first the one that it was laid out with.
pub(crate) const FAMILIES: &str = "Roboto, 'Helvetica Neue', Arial, sans-serif";

/// The letters of a text, each with the place where it begins, in units of the font.
fn glyphs(face: &Face<'_>, text: &str) -> impl Iterator<Item = (f64, GlyphId, f64)> {
    let mut at = 0.0;
    text.chars().map(move |letter| {
        // A letter that the font lacks is the box of glyph 0.
        let glyph = face.glyph_index(letter).unwrap_or(GlyphId(0));
        let advance = f64::from(face.glyph_hor_advance(glyph).unwrap_or(0));
        at += advance;
        (at - advance, glyph, advance)
    })
}

/// The width of a text of a size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let Some(face) = FACE.as_ref() else { return 0.0 };
    let units: f64 = glyphs(face, text).map(|(_, _, advance)| advance).sum();
    units * size / f64::from(face.units_per_em())
}

/// A text that is at most so wide: itself, or its beginning and an ellipsis.
pub(crate) fn fit(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut cut: String = text.to_owned();
    while cut.pop().is_some() {
        let shorter = format!("{}…", cut.trim_end());
        if width(&shorter, size) <= most {
            return shorter;
        }
    }
    String::new()
}

/// Draws the outlines of a text that begins at `at` with `pen`: y grows downwards.
pub(crate) fn outline(text: &str, at: [f64; 2], size: f64, pen: &mut impl Pen) {
    let Some(face) = FACE.as_ref() else { return };
    let scale = size / f64::from(face.units_per_em());
    for (start, glyph, _) in glyphs(face, text) {
        let place =
            |x: f32, y: f32| [at[0] + (start + f64::from(x)) * scale, at[1] - f64::from(y) * scale];
        face.outline_glyph(glyph, &mut Placed { place, pen });
    }
}

/// What draws outlines.
pub(crate) trait Pen {
    fn move_to(&mut self, to: [f64; 2]);
    fn line_to(&mut self, to: [f64; 2]);
    fn quad_to(&mut self, control: [f64; 2], to: [f64; 2]);
    fn close(&mut self);
}

/// A letter at its place.
struct Placed<'a, F, P> {
    place: F,
    pen: &'a mut P,
}

impl<F: Fn(f32, f32) -> [f64; 2], P: Pen> OutlineBuilder for Placed<'_, F, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.pen.move_to((self.place)(x, y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.pen.line_to((self.place)(x, y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.pen.quad_to((self.place)(x1, y1), (self.place)(x, y));
    }

    /// TrueType outlines have none; the end is drawn all the same.
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, x: f32, y: f32) {
        self.pen.line_to((self.place)(x, y));
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

#[cfg(test)]
mod tests {
    use super::{fit, width};

    #[test]
    fn texts_are_cut_to_a_width() {
        assert!(
            width("WWW", 10.0) > width("iii", 10.0) && width("i", 20.0) == 2.0 * width("i", 10.0)
        );
        assert_eq!(fit("mite", 12.0, 100.0), "mite");
        let cut = fit("Madagascar cat, ring-tailed lemur", 12.0, 80.0);
        assert!(cut.starts_with("Madagascar") && cut.ends_with('…'), "{cut}");
        assert!(width(&cut, 12.0) <= 80.0 && width(&cut, 12.0) > 60.0, "{cut}");
        assert_eq!(fit("mite", 12.0, 1.0), "");
    }
}
