//! A drawing as the pixels of a PNG, painted on white paper.

use alexnet_data::Pixels;
use anyhow::{Context, Result};
use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, LineJoin, Paint, PathBuilder, Pattern, Pixmap,
    PixmapPaint, Rect, Shader, SpreadMode, Stroke, StrokeDash, Transform,
};

use super::font::{self, Pen};
use super::ink::Ink;
use super::{Anchor, Area, Drawing, Item};

/// The drawing as an image that is `width` pixels wide.
pub(crate) fn paint(drawing: &Drawing, width: usize) -> Result<Pixels> {
    let scale = width as f64 / drawing.width;
    let height = (drawing.height * scale).round().max(1.0) as usize;
    let size = |n: usize| u32::try_from(n).context("a picture of so many pixels");
    let mut pixmap = Pixmap::new(size(width)?, size(height)?)
        .with_context(|| format!("--width {width}: there is no memory for such a picture"))?;
    pixmap.fill(Color::WHITE);
    let scale = Transform::from_scale(scale as f32, scale as f32);
    for item in &drawing.items {
        paint_item(&mut pixmap, item, scale);
    }
    let rgb = pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]);
    Ok(Pixels::new(height, width, rgb.collect()))
}

fn paint_item(pixmap: &mut Pixmap, item: &Item, scale: Transform) {
    match item {
        Item::Rect { area, ink } => {
            if let Some(rect) = rect(area) {
                pixmap.fill_rect(rect, &colour(*ink), scale, None);
            }
        }
        Item::Line { points, ink, width, dashed } => {
            let mut path = PathBuilder::new();
            for (n, [x, y]) in points.iter().enumerate() {
                let [x, y] = [*x as f32, *y as f32];
                if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
            }
            let dash = dashed.then(|| StrokeDash::new(vec![5.0, 4.0], 0.0)).flatten();
            let (line_cap, line_join) = (LineCap::Butt, LineJoin::Round);
            let width = *width as f32;
            let stroke = Stroke { width, dash, line_cap, line_join, ..Stroke::default() };
            if let Some(path) = path.finish() {
                pixmap.stroke_path(&path, &colour(*ink), &stroke, scale, None);
            }
        }
        Item::Text { at: [x, y], text, size, ink, anchor } => {
            let width = font::width(text, *size);
            let x = match anchor {
                Anchor::Start => *x,
                Anchor::Middle => x - width / 2.0,
                Anchor::End => x - width,
            };
            let mut path = PathBuilder::new();
            font::outline(text, [x, *y], *size, &mut path);
            if let Some(path) = path.finish() {
                pixmap.fill_path(&path, &colour(*ink), FillRule::Winding, scale, None);
            }
        }
        Item::Picture { area, picture } => {
            if let (Some(rect), Some(source)) = (rect(area), source(&picture.pixels)) {
                let stretch = Transform::from_row(
                    rect.width() / source.width() as f32,
                    0.0,
                    0.0,
                    rect.height() / source.height() as f32,
                    rect.x(),
                    rect.y(),
                );
                // Padded: at its edge a picture does not mix with the paper.
                let shader = Pattern::new(
                    source.as_ref(),
                    SpreadMode::Pad,
                    FilterQuality::Bicubic,
                    PixmapPaint::default().opacity,
                    stretch,
                );
                let paint = Paint { shader, anti_alias: false, ..Paint::default() };
                pixmap.fill_rect(rect, &paint, scale, None);
            }
        }
    }
}

fn rect(area: &Area) -> Option<Rect> {
    let Area { x, y, width, height } = *area;
    Rect::from_xywh(x as f32, y as f32, width as f32, height as f32)
}

fn colour(ink: Ink) -> Paint<'static> {
    let [r, g, b] = ink.rgb();
    let shader = Shader::SolidColor(Color::from_rgba8(r, g, b, 255));
    Paint { shader, ..Paint::default() }
}

/// The pixels of a picture as the painter holds them.
fn source(pixels: &Pixels) -> Option<Pixmap> {
    let mut source =
        Pixmap::new(u32::try_from(pixels.width).ok()?, u32::try_from(pixels.height).ok()?)?;
    for (to, from) in source.data_mut().chunks_exact_mut(4).zip(pixels.data.chunks_exact(3)) {
        to.copy_from_slice(&[from[0], from[1], from[2], 255]);
    }
    Some(source)
}

impl Pen for PathBuilder {
    fn move_to(&mut self, [x, y]: [f64; 2]) {
        Self::move_to(self, x as f32, y as f32);
    }

    fn line_to(&mut self, [x, y]: [f64; 2]) {
        Self::line_to(self, x as f32, y as f32);
    }

    fn quad_to(&mut self, [cx, cy]: [f64; 2], [x, y]: [f64; 2]) {
        Self::quad_to(self, cx as f32, cy as f32, x as f32, y as f32);
    }

    fn close(&mut self) {
        Self::close(self);
    }
}
