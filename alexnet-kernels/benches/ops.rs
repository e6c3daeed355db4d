//! Times the layers of AlexNet, forward and backward: `cargo bench -p alexnet-kernels -- [PART]`.
//!
//! PART chooses lines that contain it, such as `conv`; BATCH in the environment sets the batch
//! (32). Each line is the fastest of several runs: others on the machine only make a run slower.
#![allow(clippy::print_stdout)] // this program talks to people

use std::time::{Duration, Instant};

use alexnet_kernels::{
    Conv2d, Dropout, DropoutKey, DropoutMode, DropoutScale, Gradients, Input, InputGradient,
    KeepMemory, Linear, Lrn, MapNorm, MaxPool2d, Padding, Pooled, Relu, Sgd, SoftmaxCrossEntropy,
    channels_last, normals, recycle,
};
use candle_core::{DType, Device, Result, Tensor};

/// Each line runs at least this long, and at least `RUNS` times.
const TIME: Duration = Duration::from_millis(1500);
const RUNS: usize = 5;

struct Bench {
    part: String,
    batch: usize,
}

/// What a run gives, and gives back before the next, as a training step does.
trait Spent {
    fn recycle(self);
}

impl Spent for Tensor {
    fn recycle(self) {
        recycle(self);
    }
}

impl Spent for Gradients {
    fn recycle(self) {
        self.input.into_iter().chain([self.weight]).for_each(recycle); // the bias lies behind the weights
    }
}

impl Spent for Pooled {
    fn recycle(self) {
        [self.output, self.argmax].into_iter().for_each(recycle);
    }
}

impl Spent for (Tensor, Tensor) {
    fn recycle(self) {
        recycle(self.0); // both lie in one storage
    }
}

impl Spent for () {
    fn recycle(self) {}
}

impl Spent for Vec<f32> {
    fn recycle(self) {}
}

impl Bench {
    /// Prints the fastest run of `f` and what `amount`, in billions, is a second; gives back its
    /// milliseconds, 0 if the line was not chosen.
    fn line<T: Spent>(
        &self,
        name: &str,
        (amount, unit): (f64, &str),
        f: impl Fn() -> Result<T>,
    ) -> Result<f64> {
        if !name.contains(&self.part) {
            return Ok(0.0);
        }
        f()?.recycle(); // page faults and gemm's workspace
        let (start, mut fastest, mut runs) = (Instant::now(), f64::INFINITY, 0);
        while runs < RUNS || start.elapsed() < TIME {
            let run = Instant::now();
            let result = f()?;
            fastest = fastest.min(run.elapsed().as_secs_f64());
            result.recycle();
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
    let hanging = Padding { bottom: 3, right: 3, ..Padding::same(0) };
    // name, input channels and side, output channels, kernel, stride, padding, groups
    let layers = [
        ("conv1", 3, 224, 96, 11, 4, hanging, 1),
        ("conv2", 96, 27, 256, 5, 1, Padding::same(2), 2),
        ("conv3", 256, 13, 384, 3, 1, Padding::same(1), 1),
        ("conv4", 384, 13, 384, 3, 1, Padding::same(1), 2),
        ("conv5", 384, 13, 256, 3, 1, Padding::same(1), 2),
    ];
    let (mut total, mut operations) = (0.0, 0.0);
    for (name, channels, side, out, kernel, stride, padding, groups) in layers {
        let conv = Conv2d { stride, padding, groups };
        let x = random(&[bench.batch, channels, side, side], 1.0)?;
        let w = random(&[out, channels / groups, kernel, kernel], 0.01)?;
        let bias = random(&[out], 1.0)?;
        let y = conv.forward(&x, &w, &bias)?;
        let flop = 2.0 * (y.elem_count() * channels / groups * kernel * kernel) as f64;
        let (input, products) =
            if channels == 3 { (InputGradient::No, 1.0) } else { (InputGradient::Plain, 2.0) };
        let backward = products * flop;
        total += bench
            .line(&format!("{name} forward"), (flop, "GFLOP/s"), || conv.forward(&x, &w, &bias))?;
        total += bench.line(&format!("{name} backward"), (backward, "GFLOP/s"), || {
            conv.backward(&x, &w, &y, input)
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
        let (x, w) = (random(&[batch, inputs], 1.0)?, random(&[out, inputs], 0.01)?);
        let (bias, dy) = (random(&[out], 1.0)?, random(&[batch, out], 1.0)?);
        let flop = 2.0 * (batch * inputs * out) as f64;
        bench.line(&format!("{name} forward"), (flop, "GFLOP/s"), || {
            Linear.forward(&x, &w, &bias)
        })?;
        bench.line(&format!("{name} backward"), (2.0 * flop, "GFLOP/s"), || {
            Linear.backward(&x, &w, &dy, InputGradient::Plain)
        })?;
    }
    Ok(())
}

/// Everything that only moves memory: bytes read and written once.
fn the_rest(bench: &Bench) -> Result<()> {
    let bytes = |tensors: &[&Tensor]| {
        (
            tensors.iter().map(|x| x.elem_count() * x.dtype().size_in_bytes()).sum::<usize>()
                as f64,
            "GB/s",
        )
    };
    let lrn = Lrn { n: 5, alpha: 1e-4, beta: 0.75, k: 2.0, towers: 2, alpha_over_n: true };
    let norm = MapNorm { n: 5, alpha: 0.001, beta: 0.75, k: 1.0 };
    let pool = MaxPool2d { kernel: 3, stride: 2, ceil: false };
    for (number, channels, side) in [(1, 96, 55), (2, 256, 27), (5, 256, 13)] {
        let x = random(&[bench.batch, channels, side, side], 1.0)?;
        if number < 3 {
            bench.line(&format!("lrn{number} forward"), bytes(&[&x, &x]), || lrn.forward(&x))?;
            bench.line(&format!("lrn{number} backward"), bytes(&[&x, &x, &x]), || {
                lrn.backward(&x, &x)
            })?;
        }
        if number == 2 {
            bench.line("map norm forward", bytes(&[&x, &x]), || norm.forward(&x))?;
            bench.line("map norm backward", bytes(&[&x, &x, &x]), || norm.backward(&x, &x))?;
            bench.line("relu2 forward", bytes(&[&x, &x]), || Relu.forward(&x))?;
            bench.line("relu2 backward", bytes(&[&x, &x, &x]), || Relu.backward(&x, &x))?;
        }
        let plain = InputGradient::Plain;
        let Pooled { output, argmax } = pool.forward_argmax(&x, false, plain)?;
        bench.line(&format!("pool{number} forward"), bytes(&[&x, &output, &argmax]), || {
            pool.forward_argmax(&x, false, plain)
        })?;
        bench.line(&format!("pool{number} backward"), bytes(&[&x, &output, &argmax]), || {
            pool.backward_argmax(&argmax, &output, (side, side))
        })?;
    }
    let x = random(&[bench.batch, 4096], 1.0)?;
    let mode = DropoutMode::Train(DropoutKey { seed: 1, step: 2, layer: 3 });
    let dropout = Dropout { keep: 0.5, scale: DropoutScale::AtTest };
    bench.line("dropout", bytes(&[&x, &x]), || dropout.forward(&x, mode))?;
    let logits = random(&[bench.batch, 1000], 1.0)?;
    let labels = Tensor::zeros(bench.batch, DType::U32, &Device::Cpu)?;
    bench.line("softmax cross-entropy", bytes(&[&logits, &logits]), || {
        SoftmaxCrossEntropy.loss_and_gradient(&logits, &labels)
    })?;
    let pixels = Tensor::zeros((bench.batch, 224, 224, 3), DType::U8, &Device::Cpu)?;
    let (mean, shift) = (random(&[224, 224, 3], 1.0)?, random(&[bench.batch, 3], 1.0)?);
    let mean = mean.reshape((224, 224, 3))?;
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
    let _memory = KeepMemory::new(); // as a program that trains does
    // Cargo passes `--bench`.
    let part = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let batch = std::env::var("BATCH").ok().and_then(|b| b.parse().ok()).unwrap_or(32);
    let bench = Bench { part, batch };
    println!(
        "batch {batch} (dense layers {}), {} threads",
        4 * batch,
        rayon::current_num_threads()
    );
    convolutions(&bench)?;
    dense_layers(&bench)?;
    the_rest(&bench)
}
