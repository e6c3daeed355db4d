//! The five shapes as signed distances, and the two textures.

use std::f32::consts::{PI, TAU};

/// A shape within the unit circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Cross,
    Disc,
    Ring,
    Star,
    Triangle,
}

/// What a shape is painted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    Dots,
    Stripes,
}

impl Shape {
    pub(super) const ALL: [Self; 5] =
        [Self::Cross, Self::Disc, Self::Ring, Self::Star, Self::Triangle];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cross => "cross",
            Self::Disc => "disc",
            Self::Ring => "ring",
            Self::Star => "star",
            Self::Triangle => "triangle",
        }
    }

    /// Distance of (x, y) to the outline, negative inside; near the outline it is exact enough to
    /// smooth an edge of one pixel.
    pub(super) fn distance(self, x: f32, y: f32) -> f32 {
        let r = x.hypot(y);
        match self {
            Self::Cross => {
                let bar = |along: f32, across: f32| (along.abs() - 0.97).max(across.abs() - 0.3);
                bar(x, y).min(bar(y, x))
            }
            Self::Disc => r - 0.85,
            Self::Ring => (r - 0.7).abs() - 0.26,
            Self::Star => {
                // One half of one of the five points: the edge from its tip to the inner corner.
                let angle = (y.atan2(x).rem_euclid(TAU / 5.0) - PI / 5.0).abs();
                let (sin, cos) = (PI / 5.0 - angle).sin_cos();
                let (px, py) = (r * cos - 1.0, r * sin);
                let (inner_sin, inner_cos) = (PI / 5.0).sin_cos();
                let (ex, ey) = (0.42 * inner_cos - 1.0, 0.42 * inner_sin);
                (px * -ey + py * ex) / -ex.hypot(ey)
            }
            Self::Triangle => {
                let sides = [0.0, 1.0, 2.0].map(|k: f32| {
                    let (sin, cos) = (TAU * k / 3.0).sin_cos();
                    x * cos + y * sin - 0.5
                });
                sides[0].max(sides[1]).max(sides[2])
            }
        }
    }
}

impl Texture {
    pub(super) const ALL: [Self; 2] = [Self::Dots, Self::Stripes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dots => "dotted",
            Self::Stripes => "striped",
        }
    }

    /// How much of the second colour there is at (u, v), measured in periods; `pixel` is the size
    /// of a pixel in periods, over which edges are smoothed.
    pub(super) fn cover(self, u: f32, v: f32, pixel: f32) -> f32 {
        let fold = |t: f32| (t - t.floor() - 0.5).abs(); // distance to the middle of a period
        let distance = match self {
            Self::Dots => fold(u).hypot(fold(v)) - 0.33,
            Self::Stripes => fold(u) - 0.25,
        };
        (0.5 - distance / pixel).clamp(0.0, 1.0)
    }
}
