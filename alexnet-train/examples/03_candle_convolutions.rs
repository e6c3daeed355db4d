//! Lesson 3, a measurement: candle's own convolutions, for comparison. Prints one JSON object.
//!
//! `cargo run --release -p alexnet-train --example 03_candle_convolutions -- --batch 128 --steps 3`
//!
//! These are the five convolutions of the network with their biases and ReLUs, differentiated by
//! candle, with all gradients but that with respect to the images. candle cannot run the rest of
//! the network: its max-pool refuses the gradient of overlapping windows.

#![allow(clippy::print_stdout)] // this program talks to people

use std::time::Instant;

use candle_core::{Device, Result, Tensor, Var};
use serde_json::{Value, json};

/// Input (channels, height = width), output channels, kernel, stride, padding, groups.
const LAYERS: [([usize; 2], usize, usize, usize, usize, usize); 5] = [
    ([3, 227], 96, 11, 4, 0, 1), // the three columns and rows of padding are in the images
    ([96, 27], 256, 5, 1, 2, 2),
    ([256, 13], 384, 3, 1, 1, 1),
    ([384, 13], 384, 3, 1, 1, 2),
    ([384, 13], 256, 3, 1, 1, 2),
];

struct Layer {
    x: Tensor,
    w: Var,
    bias: Var,
    stride: usize,
    padding: usize,
    groups: usize,
}

impl Layer {
    fn run(&self) -> Result<()> {
        let y = self.x.conv2d(self.w.as_tensor(), self.padding, self.stride, 1, self.groups)?;
        let y = y.broadcast_add(self.bias.as_tensor())?.relu()?;
        y.sum_all()?.backward()?;
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: usize| -> std::result::Result<usize, _> {
        let given = arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1));
        given.map_or(Ok(otherwise), |n| n.parse())
    };
    let (batch, steps) = (number("--batch", 128)?, number("--steps", 3)?);
    let threads = number("--threads", std::thread::available_parallelism().map_or(1, usize::from))?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    println!("{}", measured(batch, steps)?);
    Ok(())
}

/// The seconds of each step, as JSON.
pub(crate) fn measured(batch: usize, steps: usize) -> Result<Value> {
    let mut layers = Vec::new();
    for (index, ([channels, side], out, kernel, stride, padding, groups)) in
        LAYERS.into_iter().enumerate()
    {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &Device::Cpu);
        let x = random(&[batch, channels, side, side])?;
        layers.push(Layer {
            x: if index == 0 { x } else { Var::from_tensor(&x)?.into_inner() },
            w: Var::from_tensor(&random(&[out, channels / groups, kernel, kernel])?)?,
            bias: Var::from_tensor(&random(&[1, out, 1, 1])?)?,
            stride,
            padding,
            groups,
        });
    }
    let mut seconds = Vec::new();
    for step in 0..=steps {
        let start = Instant::now();
        layers.iter().try_for_each(Layer::run)?;
        if step > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(json!({
        "peer": "candle's own convolutions",
        "batch": batch,
        "threads": rayon::current_num_threads(),
        "step_seconds": seconds,
    }))
}
