//! Dropout in f64.

use super::DropoutKey;
use crate::array::Array;
use crate::random::philox::{philox4x32, uniform};

/// Dropout in training: `factor · x` where a unit stays. Its gradient is the same of `dy`.
pub fn dropout(key: DropoutKey, keep: f32, factor: f64, x: &Array) -> Array {
    let (seed, step) = ([key.seed as u32, (key.seed >> 32) as u32], key.step);
    let stays = |element: usize| {
        let counter = [(element / 4) as u32, key.layer, step as u32, (step >> 32) as u32];
        uniform(philox4x32(seed, counter)[element % 4]) < keep
    };
    let values = x.values.iter().enumerate();
    let values = values.map(|(element, x)| if stays(element) { factor * x } else { 0.0 });
    Array { dims: x.dims.clone(), values: values.collect() }
}
