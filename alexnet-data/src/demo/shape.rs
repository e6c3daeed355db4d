//! The five shapes as signed distance functions, and the two textures.

use std::f32::consts::{PI, TAU};

/// A shape within the unit circle: its name, and the signed distance of (x, y) to its outline,
/// which is negative inside. Near the outline the distance is exact enough to smooth an edge of one
/// pixel.
pub(super) type Shape = (&'static str, fn(f32, f32) -> f32);

/// The shapes, in the order of the classes.
pub(super) const SHAPES: [Shape; 5] = [
    ("cross", cross),
    ("disc", |x, y| x.hypot(y) - 0.85),
    ("ring", |x, y| (x.hypot(y) - 0.7).abs() - 0.26),
    ("star", star),
    ("triangle", triangle),
];

/// A texture: its name, and the signed distance of (u, v), in periods, to the edge of its dots or
/// stripes.
pub(super) type Texture = (&'static str, fn(f32, f32) -> f32);

/// The textures, in the order of the classes.
pub(super) const TEXTURES: [Texture; 2] = [
    ("dotted", |u, v| from_middle(u).hypot(from_middle(v)) - 0.33),
    ("striped", |u, _| from_middle(u) - 0.25),
];

fn cross(x: f32, y: f32) -> f32 {
    let bar = |along: f32, across: f32| (along.abs() - 0.97).max(across.abs() - 0.3);
    bar(x, y).min(bar(y, x))
}

fn star(x: f32, y: f32) -> f32 {
    let r = x.hypot(y);
    // Half of one of the five points: the edge from its tip to the inner corner.
    let angle = (y.atan2(x).rem_euclid(TAU / 5.0) - PI / 5.0).abs();
    let (sin, cos) = (PI / 5.0 - angle).sin_cos();
    let (px, py) = (r * cos - 1.0, r * sin);
    let (inner_sin, inner_cos) = (PI / 5.0).sin_cos();
    let (ex, ey) = (0.42 * inner_cos - 1.0, 0.42 * inner_sin);
    (px * -ey + py * ex) / -ex.hypot(ey)
}

fn triangle(x: f32, y: f32) -> f32 {
    let sides = [0.0, 1.0, 2.0].map(|k: f32| {
        let (sin, cos) = (TAU * k / 3.0).sin_cos();
        x * cos + y * sin - 0.5
    });
    sides[0].max(sides[1]).max(sides[2])
}

/// The distance of `t` to the middle of its period.
fn from_middle(t: f32) -> f32 {
    (t - t.floor() - 0.5).abs()
}
