//! Times the layers of AlexNet, forward and backward: `cargo bench -p alexnet-kernels -- [PART]`.
//!
//! PART chooses lines that contain it, such as `conv`; BATCH in the environment sets the batch
//! (32). Each line is the fastest of several runs: others on the machine only make a run slower.
#![allow(clippy::print_stdout)] // this program talks to people

use std::time::{Duration, Instant};

use alexnet_kernels::{
    Activation, Conv2d, Conv2dConfig, Dropout, DropoutKey, DropoutMode, Epilogue, Input, InputGrad,
    Linear, Lrn, MapNorm, MaxPool2d, Padding, PoolAllocator, PoolGuard, Pooled, Sgd, channels_last,
    cross_entropy_with_grad, normals,
};
use candle_core::{DType, Device, Module, Result, Tensor};

#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::new();

/// Each line runs at least this long, and at least `RUNS` times.
const TIME: Duration = Duration::from_millis(1500);
const RUNS: usize = 5;

struct Bench {
    part: String,
    batch: usize,
}

impl Bench {
    /// Prints the fastest run of `f`, and what `amount` is a second in billions; gives back its
    /// milliseconds, 0 if the line was not chosen. Each result is dropped before the next run, so
    /// that the pool hands its memory out again, as in a training step.
    fn line<T>(
        &self,
        name: &str,
        (amount, unit): (f64, &str),
        f: impl Fn() -> Result<T>,
    ) -> Result<f64> {
        if !name.contains(&self.part) {
            return Ok(0.0);
        }
        drop(f()?); // page faults and gemm's workspace
        let (start, mut fastest, mut runs) = (Instant::now(), f64::INFINITY, 0);
        while runs < RUNS || start.elapsed() < TIME {
            let run = Instant::now();
            let result = f()?;
            fastest = fastest.min(run.elapsed().as_secs_f64());
            drop(result);
            runs += 1;
        }
        println!("{name:<28}{:>10.2} ms{:>10.1} {unit}", fastest * 1e3, amount / fastest / 1e9);
        Ok(fastest * 1e3)
    }
}

fn random(shape: &[usize], std: f32) -> Result<Tensor> {
    let n = shape.iter().product();
    let x = Tensor::from_vec(normals(1, n as u64, std, n), shape, &Device::Cpu)?;
    if shape.len() == 4 { channels_last(&x) } else { Ok(x) }
}

/// The five convolutions of the two-tower network.
fn convolutions(bench: &Bench) -> Result<()> {
    // name, input channels and side, output channels, kernel, stride, padding, groups
    let layers = [
        ("conv1", 3, 224, 96, 11, 4, Padding::right_bottom(3), 1),
        ("conv2", 96, 27, 256, 5, 1, Padding::same(2), 2),
        ("conv3", 256, 13, 384, 3, 1, Padding::same(1), 1),
        ("conv4", 384, 13, 384, 3, 1, Padding::same(1), 2),
        ("conv5", 384, 13, 256, 3, 1, Padding::same(1), 2),
    ];
    let (mut total, mut operations) = (0.0, 0.0);
    for (name, channels, side, out, kernel, stride, padding, groups) in layers {
        let x = random(&[bench.batch, channels, side, side], 1.0)?;
        let weight = random(&[out, channels / groups, kernel, kernel], 0.01)?;
        let config = Conv2dConfig { stride, padding, groups };
        let conv = Conv2d::new(weight, random(&[out], 1.0)?, config)?;
        let y = conv.forward(&x)?;
        let flop = 2.0 * (y.elem_count() * channels / groups * kernel * kernel) as f64;
        // The first layer's input are the images, which need no gradient.
        let (input, backward) =
            if channels == 3 { (InputGrad::Skip, flop) } else { (InputGrad::Plain, 2.0 * flop) };
        total += bench.line(&format!("{name} forward"), (flop, "GFLOP/s"), || conv.forward(&x))?;
        total += bench.line(&format!("{name} backward"), (backward, "GFLOP/s"), || {
            conv.backward(&x, &y, input)
        })?;
        operations += flop + backward;
    }
    if total > 0.0 {
        let rate = operations / total / 1e6;
        println!("{:<28}{total:>10.2} ms{rate:>10.1} GFLOP/s", "conv1 to conv5, both");
    }
    Ok(())
}

/// The dense layers, batch 128: their weights are read once a batch.
fn dense_layers(bench: &Bench) -> Result<()> {
    let batch = 4 * bench.batch;
    for (name, inputs, out) in [("fc6", 9216, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000)] {
        if !name.contains(&bench.part) {
            continue;
        }
        let (x, dy) = (random(&[batch, inputs], 1.0)?, random(&[batch, out], 1.0)?);
        let layer = Linear::new(random(&[out, inputs], 0.01)?, random(&[out], 1.0)?)?;
        let flop = 2.0 * (batch * inputs * out) as f64;
        bench.line(&format!("{name} forward"), (flop, "GFLOP/s"), || layer.forward(&x))?;
        bench.line(&format!("{name} backward"), (2.0 * flop, "GFLOP/s"), || {
            layer.backward(&x, &dy, InputGrad::Plain)
        })?;
    }
    Ok(())
}

/// What a line moves whose tensors are read or written once.
fn bytes(tensors: &[&Tensor]) -> (f64, &'static str) {
    let bytes = |x: &&Tensor| x.elem_count() * x.dtype().size_in_bytes();
    (tensors.iter().map(bytes).sum::<usize>() as f64, "GB/s")
}

/// Everything between convolutions and dense layers, which only moves memory.
fn maps(bench: &Bench) -> Result<()> {
    let lrn = Lrn::ALEXNET.towers(2);
    let norm = MapNorm { n: 5, alpha: 0.001, beta: 0.75, k: 1.0 };
    let pool = MaxPool2d::new(3, 2);
    let plain = InputGrad::Plain;
    for (number, channels, side) in [(1, 96, 55), (2, 256, 27), (5, 256, 13)] {
        let x = random(&[bench.batch, channels, side, side], 1.0)?;
        let (two, three) = (bytes(&[&x, &x]), bytes(&[&x, &x, &x]));
        if number < 3 {
            bench.line(&format!("lrn{number} forward"), two, || lrn.forward(&x))?;
            bench.line(&format!("lrn{number} backward"), three, || lrn.backward(&x, &x, plain))?;
        }
        if number == 2 {
            bench.line("map norm forward", two, || norm.forward(&x))?;
            bench.line("map norm backward", three, || norm.backward(&x, &x, plain))?;
            bench.line("relu2 forward", two, || Activation::Relu.forward(&x))?;
            bench.line("relu2 backward", three, || Activation::Relu.backward(&x, &x))?;
        }
        let forward = || pool.forward_with_argmax(&x, Epilogue::None, plain);
        let Pooled { output, argmax } = forward()?;
        let moved = bytes(&[&x, &output, &argmax]);
        bench.line(&format!("pool{number} forward"), moved, forward)?;
        bench.line(&format!("pool{number} backward"), moved, || {
            pool.backward(&argmax, &output, (side, side))
        })?;
    }
    Ok(())
}

/// Dropout, the loss, the input, the update and the first weights.
fn the_rest(bench: &Bench) -> Result<()> {
    let x = random(&[bench.batch, 4096], 1.0)?;
    let mode = DropoutMode::Train(DropoutKey { seed: 1, step: 2, layer: 3 });
    bench.line("dropout", bytes(&[&x, &x]), || Dropout::new(0.5).forward(&x, mode))?;
    let logits = random(&[bench.batch, 1000], 1.0)?;
    let labels = Tensor::zeros(bench.batch, DType::U32, &Device::Cpu)?;
    bench.line("softmax cross-entropy", bytes(&[&logits, &logits]), || {
        cross_entropy_with_grad(&logits, &labels)
    })?;
    let pixels = Tensor::zeros((bench.batch, 224, 224, 3), DType::U8, &Device::Cpu)?;
    let (mean, shift) = (random(&[224, 224, 3], 1.0)?, random(&[bench.batch, 3], 1.0)?);
    let input = Input::new([1.0; 3]);
    let moved = 5.0 * pixels.elem_count() as f64;
    bench.line("input", (moved, "GB/s"), || input.forward(&pixels, &mean, &shift))?;
    if "sgd fc6".contains(&bench.part) {
        let (state, gradient) = (random(&[2, 4096 * 9216], 1.0)?, random(&[4096 * 9216], 1.0)?);
        let sgd = Sgd { rate: 1e-9, momentum: 0.9, decay: 5e-4 };
        let amount = bytes(&[&state, &state, &gradient]);
        bench.line("sgd fc6", amount, || sgd.update(&state, &gradient))?;
    }
    bench.line("normals, 1 million", (4e6, "GB/s"), || Ok(normals(1, 2, 1.0, 1_000_000)))?;
    Ok(())
}

fn main() -> Result<()> {
    let _guard = PoolGuard::new(); // as a program that trains does
    // Cargo passes `--bench`.
    let part = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let batch = std::env::var("BATCH").ok().and_then(|b| b.parse().ok()).unwrap_or(32);
    let threads = rayon::current_num_threads();
    println!("batch {batch} (dense layers {}), {threads} threads", 4 * batch);
    let bench = Bench { part, batch };
    convolutions(&bench)?;
    dense_layers(&bench)?;
    maps(&bench)?;
    the_rest(&bench)
}
