//! A drawing as SVG.

use std::fmt::Write;

use alexnet_data::{Pixels, encode_jpeg, encode_png};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::font::FAMILIES;
use super::ink::Ink;
use super::{Anchor, Area, Drawing, Item, Picture};

/// Of photographs in an SVG, as high as their loss is not seen.
const QUALITY: u8 = 90;

/// Where an SVG is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file of its own, on white paper.
    File,
    /// Within an HTML page that has a variable for each colour.
    Page,
}

/// The drawing as SVG; `width` is how wide it is to be shown.
pub(crate) fn svg(drawing: &Drawing, place: Place, width: f64) -> String {
    let height = drawing.height * width / drawing.width;
    let [w, h, width, height] = [drawing.width, drawing.height, width, height].map(number);
    let title = escaped(&drawing.title);
    let mut out = match place {
        Place::File => format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" font-family=\"{FAMILIES}\">\n\
             <title>{title}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n"
        ),
        // Without a namespace, which HTML does not need; its size is that of its place.
        Place::Page => {
            format!("<svg viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{title}\">\n")
        }
    };
    for item in &drawing.items {
        write_item(&mut out, item, place);
        out.push('\n');
    }
    out + "</svg>\n"
}

fn write_item(out: &mut String, item: &Item, place: Place) {
    // Writing to a string does not fail.
    _ = match item {
        Item::Rect { area, ink } => {
            write!(out, "<rect {} {}/>", attributes(area), paint("fill", *ink, place))
        }
        Item::Line { points, ink, width, dashed } => {
            let points: Vec<String> =
                points.iter().map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect();
            let dashes = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            write!(
                out,
                "<polyline points=\"{}\" fill=\"none\" {} stroke-width=\"{}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                points.join(" "),
                paint("stroke", *ink, place),
                number(*width)
            )
        }
        Item::Text { at: [x, y], text, size, ink, anchor } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            write!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor} {}>{}</text>",
                number(*x),
                number(*y),
                number(*size),
                paint("fill", *ink, place),
                escaped(text)
            )
        }
        Item::Picture { area, picture } => write!(
            out,
            "<image {} preserveAspectRatio=\"none\" href=\"{}\"><title>{}</title></image>",
            attributes(area),
            data_uri(picture),
            escaped(&picture.title)
        ),
    };
}

fn attributes(area: &Area) -> String {
    let Area { x, y, width, height } = *area;
    let [x, y, width, height] = [x, y, width, height].map(number);
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

/// A colour as an attribute; that of a page is a variable, of which only a style may be made.
fn paint(what: &str, ink: Ink, place: Place) -> String {
    let [r, g, b] = ink.rgb();
    match place {
        Place::File => format!("{what}=\"#{r:02x}{g:02x}{b:02x}\""),
        Place::Page => format!("style=\"{what}:var({})\"", ink.variable()),
    }
}

/// A picture as the address of itself.
fn data_uri(picture: &Picture) -> String {
    let Picture { pixels, photograph, .. } = picture;
    let jpeg = |pixels: &Pixels| encode_jpeg(pixels, QUALITY).ok();
    match photograph.then(|| jpeg(pixels)).flatten() {
        Some(bytes) => format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)),
        None => format!(
            "data:image/png;base64,{}",
            STANDARD.encode(encode_png(pixels).unwrap_or_default())
        ),
    }
}

/// A number with at most two places.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A text in XML. Control characters, which XML has no way to write, become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            letter => out.push(letter),
        }
    }
    out
}
