//! Lesson 4: a training loop of your own, with a schedule that no recipe has: the rates rise for
//! ten steps and then fall along a parabola. It learns twenty images by heart.
//!
//! `cargo run --release -p alexnet-train --example 04_own_loop`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{Augmentation, Batch, Dataset, DemoOptions, Offsets, Order, Plan};
use alexnet_data::{PrepareOptions, Source, Views, draw_demo, prepare};
use alexnet_kernels::{PoolGuard, Sgd, cross_entropy_with_grad};
use alexnet_model::{FrozenLayers, Mode, Network, NetworkSpec, Parameter, Role};
use alexnet_train::{ComputeDevice, InputRecipe, InputStage, Mean, Optimizer, evaluate};
use candle_core::{DType, Tensor};

const SEED: u64 = 1;
const EPOCHS: usize = 50;

/// The rate when so many of all steps are done.
fn rate(done: usize, all: usize) -> f32 {
    let (rise, left) = (done.min(10) as f32 / 10.0, 1.0 - done as f32 / all as f32);
    0.02 * rise * left * left
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (images, data) = (folder.path().join("images"), folder.path().join("data"));
    let demo = DemoOptions { train_per_class: 2, val_per_class: 1, ..DemoOptions::STANDARD };
    draw_demo(&images, &demo, &|_| ())?;
    let options = PrepareOptions::new(Source::Folder, &images, &data);
    prepare(&PrepareOptions { size: 72, ..options }, &|_| ())?;
    let data = Dataset::open(&data)?;
    let (split, statistics) = (data.split("train")?, &data.manifest().statistics);

    // Which crops of which images are in each batch: a function of the seed, epoch and step.
    let (crop, offsets) = ([64, 64], Offsets::Inclusive);
    let augmentation =
        Augmentation { crop, offsets, resized: None, flip: true, shared_by: 1, color: None };
    let plan = Plan::new(split.len(), 10, Order::Shuffled, SEED, augmentation)?;

    let device = ComputeDevice::cpu();
    let spec = NetworkSpec::preset("demo")?.with_classes(data.manifest().classes.len());
    let mut network = Network::new(&spec, SEED, device.device())?;
    let optimizer = Optimizer::new(&mut network, &Default::default(), DType::F32)?;
    let input = InputRecipe { mean: Mean::CentreWindow, scale: [1.0; 3] };
    let input = InputStage::new(&input, &statistics.mean_image, [72, 72], crop, &device)?;

    let (mut batch, all) = (Batch::new(), EPOCHS * plan.steps_per_epoch());
    let _memory = PoolGuard::new(); // each step reuses the buffers of the previous one
    for step in 0..all {
        let (epoch, of_epoch) = (step / plan.steps_per_epoch(), step % plan.steps_per_epoch());
        plan.fill(split, statistics, epoch, of_epoch, &mut batch)?;
        let labels = Tensor::new(&batch.labels[..], device.device())?; // (B)
        let images = input.run(&batch, 1.0)?; // (B, 3, 64, 64)
        let mode = Mode::Train { seed: SEED, step: step as u64 };
        let tape = network.forward_tape(&images, mode, FrozenLayers::NONE)?;
        let (losses, gradient) = cross_entropy_with_grad(tape.logits(), &labels)?; // (B), (B, 10)
        // Pixels of 0 to 255 make the gradients of conv1 large, and its weights are small.
        let rule = |p: &Parameter| match (p.role, &p.layer[..]) {
            (Role::Bias, _) => Sgd { rate: rate(step, all), momentum: 0.9, decay: 0.0 },
            (_, "conv1") => Sgd { rate: 0.005 * rate(step, all), momentum: 0.9, decay: 5e-4 },
            _ => Sgd { rate: rate(step, all), momentum: 0.9, decay: 5e-4 },
        };
        let rates: Vec<Sgd> = network.parameters().map(rule).collect();
        network.backward(tape, gradient, &mut |parameter, gradient| {
            optimizer.update(parameter, gradient, &rates)
        })?;
        if step % 10 == 0 {
            println!("step {step:>2}: loss {:.3}", losses.mean_all()?.to_scalar::<f32>()?);
        }
    }

    let score = evaluate(&network, split, &[input], Views::One, 1, &mut |_| ())?;
    println!("{:.0} % of the {} images are wrong", score.top1_error, split.len());
    assert!(score.top1_error < 50.0, "it knows them by heart: of ten classes, guesses miss 90 %");
    Ok(())
}
