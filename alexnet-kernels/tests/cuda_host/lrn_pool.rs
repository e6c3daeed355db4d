//! LRN and max-pooling in one pass.

use alexnet_kernels::launch::{self, LrnConstants, LrnPoolBackward, PoolSize, Rest, Storage};
use alexnet_kernels::{Lrn, LrnPool, MaxPool2d, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::{Memory, Random};
use crate::{array, assert_close, exact, for_each_way, lie, masked, random_towers, tolerance};

/// Both passes against the reference, where there are kernels for them, after no convolution, one
/// with a bias, and one with a ReLU too; whether there are.
fn check(
    way: (Storage, bool),
    op: &LrnPool,
    shape: [usize; 4],
    random: &mut Random,
) -> Result<bool> {
    let mut all = true;
    for after in [None, Some(false), Some(true)] {
        all &= check_after(way, op, after, shape, random)?;
    }
    Ok(all)
}

fn check_after(
    (storage, shifted): (Storage, bool),
    op: &LrnPool,
    after: Option<bool>,
    [batch, height, width, channels]: [usize; 4],
    random: &mut Random,
) -> Result<bool> {
    let (lrn, input) = (&op.lrn, (height, width));
    let a = if lrn.alpha_over_n { lrn.alpha / lrn.n as f32 } else { lrn.alpha };
    let (row, radius) = (channels / lrn.towers, lrn.n / 2);
    let constants = LrnConstants { row, radius, k: lrn.k, a, beta: lrn.beta };
    let (output, MaxPool2d { kernel, stride, .. }) = (op.pool.output_size(input)?, op.pool);
    let towers = op.pool.towers;
    let size = PoolSize { batch, input, output, channels, kernel, stride, towers };
    let as_input = |values: &[f32]| lie(towers, towers.input_apart, channels, values);
    let as_output = |values: &[f32]| lie(towers, towers.output_apart, channels, values);

    let (x, dy) = (random.floats(size.inputs()), random.floats(size.outputs()));
    // What the kernels read, and what LRN sees of it: after the rest of a convolution, if there is
    // one.
    let read = Memory::of(&x, storage, false).floats();
    let bias = random.floats(channels);
    let finish = |(i, x): (usize, &f32)| match after {
        None => *x,
        Some(relu) => (x + bias[i % channels]).max(if relu { 0.0 } else { f32::NEG_INFINITY }),
    };
    let (before, x) = (x, read.iter().enumerate().map(finish).collect::<Vec<_>>());
    let bias = Memory::of(&bias, Storage::F32, false);
    let rest = after.map(|relu| Rest { bias: bias.span(), relu });
    let exact_x = array(&x, [batch, height, width, channels]);
    let exact_dy = array(&dy, [batch, output.0, output.1, channels]);
    let want_y = reference::lrn_pool(op, &exact_x, output);
    for relu in [false, true] {
        let [x_memory, dy_memory] =
            [as_input(&before), as_output(&dy)].map(|v| Memory::of(&v, storage, shifted));
        let mut y = Memory::uninit(storage, size.outputs(), shifted);
        let mut argmax = Memory::uninit_argmax(1, size.outputs(), shifted);
        let spans = [x_memory.span(), y.span(), argmax.span()];
        let forward = launch::lrn_pool(storage, &constants, &size, spans, rest, relu)?;
        let Some(forward) = forward else {
            return Ok(false);
        };
        run(&[forward], &mut [&mut y, &mut argmax]);
        let want = if relu { reference::relu(&want_y) } else { want_y.clone() };
        assert_close("y", &y, &as_output(&exact(&want)), tolerance(storage));

        let through =
            if relu { reference::relu_gradient(&want_y, &exact_dy) } else { exact_dy.clone() };
        let want = exact(&reference::lrn_pool_gradient(op, &exact_x, &through));
        for (through_relu, want) in [(false, want.clone()), (true, masked(want, &x))] {
            let mut dx = Memory::uninit(storage, size.inputs(), shifted);
            let spans = [x_memory.span(), argmax.span(), dy_memory.span(), dx.span()];
            let plan = LrnPoolBackward::new(storage, &constants, &size, spans)?;
            let plan = plan.expect("as forward");
            let mut totals = Memory::uninit(Storage::F32, plan.blocks() * channels, false);
            let and_totals = rest.map(|rest| (rest, totals.span()));
            let backward = plan.launch(spans, and_totals, through_relu)?;
            let written = &mut [&mut dx, &mut totals];
            run(&[backward], if after.is_some() { written } else { &mut written[..1] });
            assert_close("dx", &dx, &as_input(&want), tolerance(storage));
            if after.is_some() {
                let mut sums = vec![0.0; channels];
                for (i, dx) in want.iter().enumerate() {
                    sums[i % channels] += dx;
                }
                let mut got = vec![0.0; channels];
                for (i, total) in totals.floats().iter().enumerate() {
                    got[i % channels] += total;
                }
                let got = Memory::of(&got, Storage::F32, false);
                assert_close("the bias's gradient", &got, &sums, 1e-4);
            }
        }
    }
    Ok(true)
}

const ALEXNET: LrnPool = LrnPool { lrn: Lrn::new(5).alpha(2.0), pool: MaxPool2d::new(3, 2) };

#[test]
fn lrn_pool() -> Result<()> {
    for_each_way(8, |storage, shifted, random| {
        let (towers, row) = (random.size(1, 3), random.pick(&[4, 8, 16, 24]));
        let shape = [random.size(1, 2), random.size(3, 12), random.size(3, 12), towers * row];
        let pool = ALEXNET.pool.ceil(random.pick(&[true, false]));
        let pool = pool.towers(random_towers(towers, random));
        let op = LrnPool { lrn: ALEXNET.lrn.towers(towers), pool };
        let vector = 16 / storage.bytes();
        let checked = check((storage, shifted), &op, shape, random)?;
        assert_eq!(checked, !shifted && row.is_multiple_of(vector));
        Ok(())
    })
}

/// So many pixels and channels that an image takes several blocks in each direction.
#[test]
fn several_blocks() -> Result<()> {
    for_each_way(1, |storage, shifted, random| {
        for shape in [[1, 45, 55, 96], [1, 13, 27, 256], [1, 5, 5, 512]] {
            let checked = check((storage, shifted), &ALEXNET, shape, random)?;
            assert_eq!(checked, !shifted);
        }
        Ok(())
    })
}

/// Other constants are left to both operations in turn.
#[test]
fn other_constants_have_no_kernel() -> Result<()> {
    for_each_way(1, |storage, shifted, random| {
        for op in [
            LrnPool { lrn: ALEXNET.lrn.beta(0.6), ..ALEXNET },
            LrnPool { lrn: Lrn::new(3), ..ALEXNET },
            LrnPool { pool: MaxPool2d::new(2, 2), ..ALEXNET },
            LrnPool { pool: MaxPool2d::new(3, 1), ..ALEXNET },
        ] {
            assert!(!check((storage, shifted), &op, [1, 6, 6, 16], random)?);
        }
        Ok(())
    })
}
