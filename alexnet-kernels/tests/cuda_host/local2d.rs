//! Local layers: the output with and without a ReLU, and the gradients.

use alexnet_kernels::launch::{self, LocalSize, Storage};
use alexnet_kernels::{Local2dConfig, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::{Memory, Random};
use crate::{array, assert_close, exact, for_each_way, masked, plain, tolerance};

fn check(
    (storage, shifted): (Storage, bool),
    config: Local2dConfig,
    [batch, h, w, channels]: [usize; 4],
    filters: usize,
    random: &mut Random,
) -> Result<()> {
    let Local2dConfig { kernel, stride, padding } = config;
    let (input, output) = ((h, w), config.output_size((h, w))?);
    let size = LocalSize { batch, input, output, channels, filters, kernel, stride, padding };
    let (outputs, window) = size.weight();
    let x = random.floats(batch * h * w * channels);
    let weights = random.floats(outputs * window);
    let (bias, dy) = (random.floats(outputs), random.floats(batch * outputs));
    let exact_x = array(&x, [batch, h, w, channels]);
    let exact_w = plain(&weights, &[outputs, window]);
    let exact_dy = array(&dy, [batch, output.0, output.1, filters]);
    let stored = |values: &[f32]| Memory::of(values, storage, shifted);
    let (of_x, of_w, of_dy) = (stored(&x), stored(&weights), stored(&dy));
    let of_bias = Memory::of(&bias, Storage::F32, shifted);

    let y = reference::local(&config, [&exact_x, &exact_w, &plain(&bias, &[outputs])], output);
    for (relu, want) in [(false, exact(&y)), (true, exact(&reference::relu(&y)))] {
        let mut y = Memory::uninit(storage, batch * outputs, shifted);
        let spans = [of_x.span(), of_w.span(), of_bias.span(), y.span()];
        run(&[launch::local(storage, &size, spans, relu)?], &mut [&mut y]);
        assert_close("y", &y, &want, tolerance(storage));
    }
    let [dx, dw, _] = reference::local_gradients(&config, &exact_x, &exact_w, &exact_dy);
    for (through_relu, want) in [(false, exact(&dx)), (true, masked(exact(&dx), &x))] {
        let mut dx = Memory::uninit(storage, x.len(), shifted);
        let spans = [of_dy.span(), of_w.span(), of_x.span(), dx.span()];
        let launch = launch::local_input_gradient(storage, &size, spans, through_relu)?;
        run(&[launch], &mut [&mut dx]);
        assert_close("dx", &dx, &want, tolerance(storage));
    }
    let mut got = Memory::uninit(storage, weights.len(), shifted);
    let spans = [of_x.span(), of_dy.span(), got.span()];
    run(&[launch::local_weight_gradient(storage, &size, spans)?], &mut [&mut got]);
    assert_close("dw", &got, &exact(&dw), tolerance(storage));
    Ok(())
}

#[test]
fn local() -> Result<()> {
    for_each_way(6, |storage, shifted, random| {
        let (h, w) = (random.size(1, 5), random.size(1, 5));
        let kernel = random.size(1, 3).min(h).min(w);
        let padding = random.size(0, kernel - 1);
        let config = Local2dConfig { kernel, stride: random.size(1, 3), padding };
        let shape = [random.size(1, 3), h, w, random.pick(&[1, 3, 8])];
        let filters = random.pick(&[1, 2, 5]);
        check((storage, shifted), config, shape, filters, random)
    })
}

/// More rows, columns and terms than a tile has, none of them a multiple of it.
#[test]
fn several_tiles() -> Result<()> {
    let config = Local2dConfig { kernel: 2, stride: 1, padding: 1 };
    for_each_way(1, |storage, shifted, random| {
        check((storage, shifted), config, [66, 1, 1, 67], 65, random)
    })
}
