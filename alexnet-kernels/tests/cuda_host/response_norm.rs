//! LRN across channels, and the norm within a map.

use alexnet_kernels::launch::{self, LrnConstants, MapConstants, MapSize, Storage};
use alexnet_kernels::{Lrn, MapNorm, reference};
use candle_core::Result;

use crate::kernels::{run, try_run};
use crate::memory::{Memory, Random};
use crate::{array, assert_close, exact, for_each_way, masked, tolerance};

#[test]
fn lrn() -> Result<()> {
    for_each_way(24, |storage, shifted, random| {
        let (towers, row) = (random.size(1, 3), random.pick(&[1, 3, 4, 8, 12, 16, 48]));
        let shape = [random.size(1, 2), random.size(1, 4), random.size(1, 5), towers * row];
        let op = Lrn {
            n: random.pick(&[1, 3, 5, 5, 9]),
            alpha: 2.0,
            beta: random.pick(&[0.75, 0.6]),
            k: random.pick(&[1.0, 2.0]),
            towers,
            alpha_over_n: random.pick(&[true, false]),
        };
        let a = if op.alpha_over_n { op.alpha / op.n as f32 } else { op.alpha };
        let radius = (op.n / 2).min(row - 1);
        let constants = LrnConstants { row, radius, k: op.k, a, beta: op.beta };
        let count = shape.iter().product();
        let (x, dy) = (random.floats(count), random.floats(count));
        let (exact_x, exact_dy) = (array(&x, shape), array(&dy, shape));
        let [x_memory, dy_memory] = [&x, &dy].map(|v| Memory::of(v, storage, shifted));

        let mut y = Memory::uninit(storage, count, shifted);
        run(&[launch::lrn(storage, &constants, x_memory.span(), y.span())?], &mut [&mut y]);
        assert_close("y", &y, &exact(&reference::lrn(&op, &exact_x)), tolerance(storage));

        let want = exact(&reference::lrn_gradient(&op, &exact_x, &exact_dy));
        for (through_relu, want) in [(false, want.clone()), (true, masked(want, &x))] {
            let mut dx = Memory::uninit(storage, count, shifted);
            let spans = [x_memory.span(), dy_memory.span(), dx.span()];
            let launch = launch::lrn_backward(storage, &constants, spans, through_relu)?;
            run(&[launch], &mut [&mut dx]);
            assert_close("dx", &dx, &want, tolerance(storage));
        }
        Ok(())
    })
}

/// The layers of AlexNet take the fast kernels: if they did not, nothing else here would say so.
#[test]
fn lrn_of_alexnet_is_the_fast_one() -> Result<()> {
    for (storage, row, vector) in [(Storage::F32, 48, 4), (Storage::Bf16, 128, 8)] {
        let constants = LrnConstants { row, radius: 2, k: 2.0, a: 2e-5, beta: 0.75 };
        let memory = Memory::uninit(storage, 2 * row, false);
        let kernel = |constants| -> Result<String> {
            Ok(launch::lrn(storage, &constants, memory.span(), memory.span())?.kernel)
        };
        assert!(kernel(constants)?.ends_with(&format!("_v{vector}")), "{}", kernel(constants)?);
        assert!(kernel(LrnConstants { beta: 0.6, ..constants })?.contains("any"));
    }
    Ok(())
}

/// The checks are worth something only if they see what they are there to see.
#[test]
fn an_access_outside_a_buffer_is_seen() -> Result<()> {
    for_each_way(1, |storage, shifted, random| {
        let constants = LrnConstants { row: 16, radius: 2, k: 2.0, a: 1.0, beta: 0.75 };
        let x = Memory::of(&random.floats(16 * 5), storage, shifted);
        let mut y = Memory::uninit(storage, 16 * 5, shifted);
        let good = launch::lrn(storage, &constants, x.span(), y.span())?;
        assert_eq!(try_run(std::slice::from_ref(&good), &mut [&mut y]), Ok(()));
        let mut short = good.clone();
        let launch::Argument::Span(span) = &mut short.arguments[1] else { panic!("not a span") };
        span.length -= 1;
        let fault = try_run(&[short], &mut [&mut y]).expect_err("one element too few");
        assert!(fault.contains("outside"), "{fault}");
        let mut fewer = good;
        fewer.arguments.pop();
        let fault = try_run(&[fewer], &mut [&mut y]).expect_err("one argument too few");
        assert!(fault.contains("arguments"), "{fault}");
        Ok(())
    })
}

/// The norm within a map of some size against its reference.
fn check_map_norm(
    (storage, shifted): (Storage, bool),
    op: MapNorm,
    shape: [usize; 4],
    random: &mut Random,
) -> Result<MapConstants> {
    let [_, height, width, channels] = shape;
    let reach = [(op.n / 2).min(height - 1), (op.n / 2).min(width - 1)];
    let (size, a) = (MapSize { height, width, channels }, op.alpha / (op.n * op.n) as f32);
    let constants = MapConstants { size, reach, k: op.k, a, beta: op.beta };
    let count = shape.iter().product();
    let (x, dy) = (random.floats(count), random.floats(count));
    let (exact_x, exact_dy) = (array(&x, shape), array(&dy, shape));
    let [x_memory, dy_memory] = [&x, &dy].map(|v| Memory::of(v, storage, shifted));

    let mut y = Memory::uninit(storage, count, shifted);
    let spans = [x_memory.span(), y.span()];
    run(&[launch::map_norm(storage, &constants, spans)?], &mut [&mut y]);
    assert_close("y", &y, &exact(&reference::map_norm(&op, &exact_x)), tolerance(storage));

    let want = exact(&reference::map_norm_gradient(&op, &exact_x, &exact_dy));
    for (through_relu, want) in [(false, want.clone()), (true, masked(want, &x))] {
        let mut dx = Memory::uninit(storage, count, shifted);
        let spans = [x_memory.span(), dy_memory.span(), dx.span()];
        if let Some(launch) = launch::map_norm_gradient(storage, &constants, spans, through_relu)? {
            run(&[launch], &mut [&mut dx]);
            assert_close("dx at once", &dx, &want, tolerance(storage));
        }
        let mut dx = Memory::uninit(storage, count, shifted);
        let [mut scaled, mut share] =
            [(); 2].map(|()| Memory::uninit(Storage::F32, count, shifted));
        let first = [x_memory.span(), dy_memory.span(), scaled.span(), share.span()];
        let second = [x_memory.span(), scaled.span(), share.span(), dx.span()];
        let launches = [
            launch::map_norm_shares(storage, &constants, first)?,
            launch::map_norm_backward(storage, &constants, second, through_relu)?,
        ];
        run(&launches, &mut [&mut scaled, &mut share, &mut dx]);
        assert_close("dx", &dx, &want, tolerance(storage));
    }
    Ok(constants)
}

#[test]
fn map_norm() -> Result<()> {
    for_each_way(16, |storage, shifted, random| {
        let (n, beta) = (random.pick(&[1, 3, 5]), random.pick(&[0.75, 1.1]));
        let op = MapNorm { n, alpha: 9.0, beta, k: 1.0 };
        let (height, width) = (random.size(1, 7), random.size(1, 6));
        let shape = [random.size(1, 2), height, width, random.pick(&[1, 3, 4, 8, 12])];
        check_map_norm((storage, shifted), op, shape, random).map(|_| ())
    })
}

/// One launch is enough for the norm of AlexNet and maps that are not too wide.
#[test]
fn map_norm_down_columns() -> Result<()> {
    for_each_way(4, |storage, shifted, random| {
        let op = MapNorm { n: 5, alpha: 25.0, beta: 0.75, k: random.pick(&[0.0, 1.0]) };
        let sizes = [(3, 3), (4, 9), (11, 3), (27, 27), (7, 33), (3, 64), (3, 65)];
        for (height, width) in sizes {
            let channels = random.pick(&[2, 8, 22, 32, 40]);
            let shape = [random.size(1, 2), height, width, channels];
            let constants = check_map_norm((storage, shifted), op, shape, random)?;
            let memory = Memory::uninit(storage, shape.iter().product(), shifted);
            let spans = [(); 3].map(|()| memory.span());
            let launch = launch::map_norm_gradient(storage, &constants, spans, false)?;
            let fits = storage == Storage::F32 || !shifted;
            assert_eq!(launch.is_some(), fits && width <= 64);
        }
        Ok(())
    })
}
