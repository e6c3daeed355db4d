//! One demo image: a background, clutter, a textured shape and noise.

use super::shape::{Shape, Texture};
use crate::decode::pixels::Pixels;
use crate::draws::{Purpose, draws};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::f32::consts::TAU;

type Color = [f32; 3];

/// An image of floats from 0 to 255.
struct Canvas {
    height: usize,
    width: usize,
    pixels: Vec<Color>,
}

/// Draws image number `index` of a seed.
pub(super) fn draw(seed: u64, index: u64, size: usize, shape: Shape, texture: Texture) -> Pixels {
    let rng = &mut draws(seed, 0, Purpose::Demo, index);
    let long = size + (uniform(rng, 0.0, 1.0 / 3.0) * size as f32) as usize;
    let (height, width) = if coin(rng) { (size, long) } else { (long, size) };
    let mut canvas = Canvas { height, width, pixels: vec![[0.0; 3]; height * width] };
    background(rng, &mut canvas);
    clutter(rng, &mut canvas, size as f32);
    object(rng, &mut canvas, size as f32, shape, texture);
    Pixels::new(height, width, with_noise(rng, &canvas))
}

/// Fills the image with a gradient between two colours and a faint wave.
fn background(rng: &mut ChaCha8Rng, canvas: &mut Canvas) {
    let (from, to) = (color(rng), color(rng));
    let (gradient, wave) = (uniform(rng, 0.0, TAU), uniform(rng, 0.0, TAU));
    let (length, depth) = (uniform(rng, 0.2, 0.6), uniform(rng, 0.0, 0.12));
    let side = canvas.height.max(canvas.width) as f32;
    let (gx, gy) = (gradient.cos() / side, gradient.sin() / side);
    let (wx, wy) = (TAU * wave.cos() / side / length, TAU * wave.sin() / side / length);
    let (cx, cy) = (canvas.width as f32 / 2.0, canvas.height as f32 / 2.0);
    canvas.paint_near([0.0; 2], f32::INFINITY, |x, y, pixel| {
        let t = 0.5 + (x - cx) * gx + (y - cy) * gy + depth * (x * wx + y * wy).sin();
        *pixel = blend(from, to, t.clamp(0.0, 1.0));
    });
}

/// Adds specks and short strokes anywhere, which look like small parts of textures.
fn clutter(rng: &mut ChaCha8Rng, canvas: &mut Canvas, size: f32) {
    for _ in 0..8 + rng.next_u32() % 13 {
        let at = [canvas.width, canvas.height].map(|side| uniform(rng, 0.0, side as f32));
        let radius = uniform(rng, 0.015, 0.04) * size;
        let length = if coin(rng) { 0.0 } else { uniform(rng, 0.05, 0.2) * size };
        let (sin, cos) = uniform(rng, 0.0, TAU).sin_cos();
        let color = color(rng);
        canvas.paint_near(at, length + radius + 1.0, |x, y, pixel| {
            let (dx, dy) = (x - at[0], y - at[1]);
            // The distance to a segment of that length with its middle at `at`.
            let along = (dx * cos + dy * sin).clamp(-length / 2.0, length / 2.0);
            let distance = (dx - along * cos).hypot(dy - along * sin) - radius;
            *pixel = blend(*pixel, color, (0.5 - distance).clamp(0.0, 1.0));
        });
    }
}

/// Adds the shape somewhere inside the central square.
fn object(rng: &mut ChaCha8Rng, canvas: &mut Canvas, size: f32, shape: Shape, texture: Texture) {
    let radius = uniform(rng, 0.45, 0.8) * size / 2.0;
    let room = size / 2.0 - radius;
    let at = [canvas.width, canvas.height].map(|s| s as f32 / 2.0 + uniform(rng, -room, room));
    let (sin, cos) = uniform(rng, 0.0, TAU).sin_cos();
    let (tsin, tcos) = uniform(rng, 0.0, TAU).sin_cos();
    let period = uniform(rng, 0.1, 0.15) * size;
    let phase = [0; 2].map(|_| uniform(rng, 0.0, 1.0));
    let (first, second) = contrast(rng);
    canvas.paint_near(at, radius + 1.0, |x, y, pixel| {
        let (dx, dy) = (x - at[0], y - at[1]);
        let (sx, sy) = ((dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius);
        let inside = (0.5 - shape.1(sx, sy) * radius).clamp(0.0, 1.0);
        if inside > 0.0 {
            let u = (dx * tcos + dy * tsin) / period + phase[0];
            let v = (dy * tcos - dx * tsin) / period + phase[1];
            // The edges of the texture are smoothed over one pixel, like those of the shape.
            let cover = (0.5 - texture.1(u, v) / (1.0 / period)).clamp(0.0, 1.0);
            let paint = blend(first, second, cover);
            *pixel = blend(*pixel, paint, inside);
        }
    });
}

/// Rounds to bytes, with noise of a random standard deviation up to about 10.
fn with_noise(rng: &mut ChaCha8Rng, canvas: &Canvas) -> Vec<u8> {
    let strength = uniform(rng, 0.0, 10.0);
    let mut noise = vec![0; canvas.pixels.len() * 6];
    rng.fill_bytes(&mut noise);
    let (noise, _) = noise.as_chunks::<2>();
    let values = canvas.pixels.iter().flatten();
    // The sum of two uniform bytes minus its mean has a standard deviation of 104.5.
    let bell = noise.iter().map(|[a, b]| (f32::from(*a) + f32::from(*b) - 255.0) / 104.5);
    values.zip(bell).map(|(v, n)| (v + n * strength + 0.5).clamp(0.0, 255.0) as u8).collect()
}

impl Canvas {
    /// Calls `paint(x, y, pixel)` with the centre of every pixel within `reach` columns and rows of
    /// (x, y).
    fn paint_near(
        &mut self,
        [x, y]: [f32; 2],
        reach: f32,
        mut paint: impl FnMut(f32, f32, &mut Color),
    ) {
        // Casts saturate, so an infinite reach means all pixels.
        let span = |at: f32, end: usize| {
            ((at - reach) as usize)..((at + reach) as usize).saturating_add(1).min(end)
        };
        let columns = span(x, self.width);
        for row in span(y, self.height) {
            let line = &mut self.pixels[row * self.width..][columns.clone()];
            for (pixel, column) in line.iter_mut().zip(columns.clone()) {
                paint(column as f32 + 0.5, row as f32 + 0.5, pixel);
            }
        }
    }
}

/// Two colours of different luma, so that the texture is visible in grey too.
fn contrast(rng: &mut ChaCha8Rng) -> (Color, Color) {
    let luma = |c: Color| 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    loop {
        let (a, b) = (color(rng), color(rng));
        if (luma(a) - luma(b)).abs() > 70.0 {
            return (a, b);
        }
    }
}

fn color(rng: &mut ChaCha8Rng) -> Color {
    [0; 3].map(|_| uniform(rng, 0.0, 255.0))
}

fn blend(from: Color, to: Color, t: f32) -> Color {
    [0, 1, 2].map(|c| from[c] + (to[c] - from[c]) * t)
}

/// A number in [low, high) from 24 random bits.
fn uniform(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * ((rng.next_u32() >> 8) as f32 / (1 << 24) as f32)
}

fn coin(rng: &mut ChaCha8Rng) -> bool {
    rng.next_u32() >> 31 == 1
}
