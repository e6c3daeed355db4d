//! Max-pooling, with argmaxes of a byte and of a word, with and without a ReLU around it.

use alexnet_kernels::launch::{self, PoolSize, Storage};
use alexnet_kernels::{MaxPool2d, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::Memory;
use crate::{array, assert_close, exact, for_each_way, lie, random_towers, tolerance};

/// Output and input gradient of the kernels.
fn pooled(
    (storage, shifted): (Storage, bool),
    size: &PoolSize,
    x: &[f32],
    dy: &[f32],
    with_relu: bool,
) -> Result<[Memory; 2]> {
    let (towers, channels) = (size.towers, size.channels);
    let x = Memory::of(&lie(towers, towers.input_apart, channels, x), storage, shifted);
    let dy = Memory::of(&lie(towers, towers.output_apart, channels, dy), storage, shifted);
    let mut y = Memory::uninit(storage, size.outputs(), shifted);
    let mut dx = Memory::uninit(storage, size.inputs(), shifted);
    let mut argmax =
        Memory::uninit_argmax(size.argmax_dtype().size_in_bytes(), size.outputs(), shifted);
    let spans = [x.span(), y.span(), argmax.span()];
    let forward = launch::max_pool(storage, size, spans, with_relu)?;
    run(&[forward], &mut [&mut y, &mut argmax]);
    let spans = [argmax.span(), dy.span(), dx.span()];
    run(&[launch::max_pool_backward(storage, size, spans)?], &mut [&mut dx]);
    Ok([y, dx])
}

fn size_of(op: &MaxPool2d, [batch, h, w, channels]: [usize; 4]) -> Result<PoolSize> {
    let output = op.output_size((h, w))?;
    let MaxPool2d { kernel, stride, .. } = *op;
    let towers = op.towers;
    Ok(PoolSize { batch, input: (h, w), output, channels, kernel, stride, towers })
}

fn check(
    (storage, shifted): (Storage, bool),
    op: &MaxPool2d,
    shape: [usize; 4],
    random: &mut crate::Random,
) -> Result<()> {
    let size = size_of(op, shape)?;
    let (mut x, dy) = (random.floats(size.inputs()), random.floats(size.outputs()));
    let exact_dy = array(&dy, [shape[0], size.output.0, size.output.1, shape[3]]);
    let (towers, channels) = (size.towers, shape[3]);
    let as_input = |values: Vec<f32>| lie(towers, towers.input_apart, channels, &values);
    let as_output = |values: Vec<f32>| lie(towers, towers.output_apart, channels, &values);
    let exact_x = array(&x, shape);
    let [y, dx] = pooled((storage, shifted), &size, &x, &dy, false)?;
    let want = exact(&reference::max_pool(op, &exact_x, size.output));
    assert_close("y", &y, &as_output(want), 0.0);
    let want = as_input(exact(&reference::max_pool_gradient(op, &exact_x, &exact_dy)));
    assert_close("dx", &dx, &want, tolerance(storage));

    // With a ReLU after the pool, what it cuts off gets no gradient. Half of the maps are below 0.
    for (i, x) in x.iter_mut().enumerate() {
        *x -= if (i / shape[3]).is_multiple_of(2) { 1.0 } else { 0.0 };
    }
    let exact_x = array(&x, shape);
    let pool = reference::max_pool(op, &exact_x, size.output);
    let [y, dx] = pooled((storage, shifted), &size, &x, &dy, true)?;
    let want = as_output(exact(&reference::relu(&pool)));
    assert_close("y through a ReLU", &y, &want, tolerance(storage));
    let above = reference::relu_gradient(&pool, &exact_dy);
    let want = as_input(exact(&reference::max_pool_gradient(op, &exact_x, &above)));
    assert_close("dx through a ReLU", &dx, &want, tolerance(storage));
    Ok(())
}

#[test]
fn max_pool() -> Result<()> {
    for_each_way(24, |storage, shifted, random| {
        let (h, w) = (random.size(1, 9), random.size(1, 9));
        let kernel = random.size(1, 4).min(h).min(w);
        let stride = random.pick(&[1, 2, 2, 3, 6, usize::MAX]);
        let op = MaxPool2d::new(kernel, stride).ceil(random.pick(&[true, false]));
        let (row, count) = (random.pick(&[1, 3, 4, 8, 16]), random.size(1, 3));
        let op = op.towers(random_towers(count, random));
        check((storage, shifted), &op, [random.size(1, 2), h, w, count * row], random)
    })
}

/// Windows of 3 by 3 pixels 2 apart have kernels of their own, of vectors of channels.
#[test]
fn overlapping_windows() -> Result<()> {
    for_each_way(8, |storage, shifted, random| {
        let op = MaxPool2d::new(3, 2).ceil(random.pick(&[true, false]));
        let (h, w) = (random.size(3, 12), random.size(3, 12));
        let (row, count) = (random.pick(&[4, 8, 24]), random.size(1, 2));
        let op = op.towers(random_towers(count, random));
        let shape = [random.size(1, 3), h, w, count * row];
        let size = size_of(&op, shape)?;
        let memory = Memory::uninit(storage, size.inputs(), shifted);
        let spans = [(); 2].map(|()| Memory::uninit(storage, size.outputs(), shifted).span());
        let launch = launch::max_pool(storage, &size, [memory.span(), spans[0], spans[1]], false)?;
        let fast = !shifted && row.is_multiple_of(16 / storage.bytes());
        assert_eq!(launch.kernel.contains("overlapping"), fast, "{}", launch.kernel);
        check((storage, shifted), &op, shape, random)
    })
}

/// The argmax of a window of 16 by 16 does not fit a byte that can also say "none".
#[test]
fn windows_beyond_a_byte() -> Result<()> {
    for_each_way(2, |storage, shifted, random| {
        for kernel in [15, 16, 18] {
            let op = MaxPool2d::new(kernel, 2).ceil(true);
            check((storage, shifted), &op, [1, 21, 19, 4], random)?;
        }
        Ok(())
    })
}

/// NaN is the maximum, wherever it stands, and takes the gradient.
#[test]
fn nan() -> Result<()> {
    for_each_way(1, |storage, shifted, _| {
        for (kernel, channels) in [(2, 1), (3, 8)] {
            let op = MaxPool2d::new(kernel, 2);
            let size = size_of(&op, [1, kernel, kernel, channels])?;
            for (place, with_relu) in
                (0..kernel * kernel).flat_map(|place| [(place, false), (place, true)])
            {
                let mut x: Vec<f32> = (0..size.inputs()).map(|i| -1.0 - i as f32).collect();
                x[place * channels] = f32::NAN;
                let dy = vec![1.0; channels];
                let [y, dx] = pooled((storage, shifted), &size, &x, &dy, with_relu)?;
                assert!(y.floats()[0].is_nan());
                let mut first_channel = dx.floats().into_iter().step_by(channels);
                assert_eq!(first_channel.position(|dx| dx == 1.0), Some(place));
            }
        }
        Ok(())
    })
}
