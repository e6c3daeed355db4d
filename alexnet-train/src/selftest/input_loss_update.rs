//! The input, the loss and the update of the parameters.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{HostBatch, Input, Sgd, Staging, Window, cross_entropy_with_guesses};
use candle_core::{DType, Result, Tensor};

use super::bounds;
use super::comparisons::Comparisons;

pub(super) fn compare(test: &mut Comparisons<'_>) {
    for (batch, size) in [(3, [8, 12]), (2, [5, 7])] {
        test.attempt("input", |test| input(test, batch, size));
    }
    for (batch, classes) in [(16, 1000), (5, 10), (3, 1)] {
        test.attempt("softmax", |test| loss(test, batch, classes));
    }
    for n in [4096, 1001] {
        test.attempt("update", |test| update(test, n));
    }
}

/// Sends three batches, one more than a staging has buffers: nothing of two may mix.
fn input(test: &mut Comparisons<'_>, batch: usize, [h, w]: [usize; 2]) -> Result<()> {
    let bound = bounds::formula(test.precision());
    let mut staging = Staging::new(test.compute.device())?;
    let (mean, mean_exact) = test.f32(&Array::random(&[h, w, 3], 20).map(|x| 128.0 + 100.0 * x))?;
    let whole = [h + 2, w + 3, 3];
    let (whole_mean, whole_exact) =
        test.f32(&Array::random(&whole, 19).map(|x| 128.0 + 100.0 * x))?;
    let (scale, output) = ([1.0, 0.5, 2.0], test.compute.activations());
    let op = Input { scale, output, blocks: None };
    for round in 0..3 {
        let pixels =
            Array::random(&[batch, h, w, 3], 21 + round).map(|x| (127.5 + 127.5 * x).round());
        let bytes: Vec<u8> = pixels.values.iter().map(|x| *x as u8).collect();
        let shift = Array::random(&[batch, 3], 31 + round).map(|x| f64::from((20.0 * x) as f32));
        let (shifts, _) = shift.values.as_chunks::<3>();
        let shifts: Vec<[f32; 3]> = shifts.iter().map(|s| s.map(|x| x as f32)).collect();
        let labels = vec![round; batch];
        let window = |i: usize| Window {
            top: (i + round as usize) % 3,
            left: (2 * i + round as usize) % 4,
            flip: i % 2 == 1,
        };
        let windows: Vec<Window> = (0..batch).map(window).collect();
        let host = HostBatch {
            pixels: &bytes,
            size: [h, w],
            shift: &shifts,
            labels: &labels,
            windows: &windows,
        };
        let sent = staging.send(&host)?;
        let got = op.forward(&sent.pixels, &mean, &sent.shift);
        let want = reference::input(op.scale, &pixels, &mean_exact, &shift);
        test.compare("input", "y", got, &want, bound);
        let got = op.forward_aligned(&sent.pixels, &whole_mean, &sent.windows, &sent.shift);
        let want = reference::input_aligned(op.scale, &pixels, &whole_exact, &windows, &shift);
        test.compare("input", "y, mean aligned", got, &want, bound);
        let want = Array { dims: vec![batch], values: vec![f64::from(round); batch] };
        test.compare("input", "labels", Ok(sent.labels.clone()), &want, 0.0);
        staging.release(sent)?;
    }
    Ok(())
}

fn loss(test: &mut Comparisons<'_>, batch: usize, classes: usize) -> Result<()> {
    let (logits, exact) =
        test.activations(&Array::random(&[batch, classes], 41).map(|x| 8.0 * x))?;
    let labels: Vec<u32> = (0..batch).map(|i| (i * 37 % classes) as u32).collect();
    let (losses, gradient) = reference::softmax_cross_entropy(&exact, &labels);
    let right = reference::right_guesses(&exact, &labels);
    let labels = Tensor::from_vec(labels, batch, test.compute.device())?;
    let terms = bounds::in_f32(classes);
    let bound = bounds::formula(test.precision()).max(terms);
    let got = cross_entropy_with_guesses(&logits, &labels)
        .and_then(|(results, dz)| Ok([results.get(0)?, results.get(1)?, dz]));
    // Which logit is the largest is not a matter of rounding.
    let want = [("losses", &losses, terms), ("right", &right, 1e-6), ("dz", &gradient, bound)];
    test.compare_all("softmax", got, want);
    Ok(())
}

/// The weights and velocity after an update; in bf16 also the copy of the weights.
fn update(test: &mut Comparisons<'_>, n: usize) -> Result<()> {
    let rule = Sgd { rate: 0.1, momentum: 0.9, decay: 0.05 };
    let (state, state_exact) = test.f32(&Array::random(&[2, n], 42))?;
    let (gradient, gradient_exact) = test.random(&[n], 43)?;
    let want = reference::sgd(rule, &state_exact, &gradient_exact);
    if test.compute.activations() == DType::F32 {
        rule.update(&state, &gradient)?;
    } else {
        let copy = Tensor::zeros(n, test.compute.activations(), test.compute.device())?;
        rule.update_with_copy(&state, &gradient, &copy)?;
        let weights = Array { dims: vec![n], values: want.values[..n].to_vec() };
        let bound = bounds::formula(test.precision());
        test.compare("update", "w as bf16", Ok(copy), &weights, bound);
    }
    test.compare("update", "w and v", Ok(state), &want, bounds::in_f32(1));
    Ok(())
}
