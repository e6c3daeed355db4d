//! Activations, dropout, both together, and padding.

use alexnet_kernels::launch::{self, MapSize, Storage};
use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Activation, DropoutKey, DropoutRows, DropoutSlice};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::Memory;
use crate::{array, assert_close, exact, for_each_way, maps, plain, tolerance, values};

#[test]
fn activations() -> Result<()> {
    for_each_way(24, |storage, shifted, random| {
        let f = random.pick(&Activation::ALL);
        let bound = if f == Activation::Relu { 0.0 } else { tolerance(storage) };
        let n = random.pick(&[1, 3, 8, 64, 1000, 2048, 2051]);
        let (mut x, dy) = (random.floats(n), random.floats(n));
        x[n / 2] = f32::NAN;
        let want = exact(&reference::activation(f, &plain(&x, &[n])));
        let [x_memory, dy_memory] = [&x, &dy].map(|v| Memory::of(v, storage, shifted));
        let mut y = Memory::uninit(storage, n, shifted);
        run(&[launch::activation(f, storage, [x_memory.span(), y.span()])?], &mut [&mut y]);
        assert_close("y", &y, &want, bound);

        let exact_y = plain(&y.floats(), &[n]);
        let dx = reference::activation_gradient(f, &exact_y, &plain(&dy, &[n]));
        let want = exact(&dx.map(|dx| 2.0 * dx));
        let mut dx = Memory::uninit(storage, n, shifted);
        let spans = [y.span(), dy_memory.span(), dx.span()];
        run(&[launch::activation_backward(f, storage, spans, 2.0)?], &mut [&mut dx]);
        assert_close("dx", &dx, &want, bound);
        let mut in_place = dy_memory.clone();
        let spans = [y.span(), in_place.span(), in_place.span()];
        run(&[launch::activation_backward(f, storage, spans, 2.0)?], &mut [&mut in_place]);
        assert_close("dx in place", &in_place, &want, bound);

        let mut half = Memory::uninit(storage, n, shifted);
        let launch = launch::scaled(storage, [dy_memory.span(), half.span()], 0.5)?;
        run(&[launch], &mut [&mut half]);
        let want: Vec<f32> = dy.iter().map(|x| 0.5 * x).collect();
        assert_close("scaled", &half, &want, 0.0);
        Ok(())
    })
}

#[test]
fn dropout() -> Result<()> {
    for_each_way(12, |storage, shifted, random| {
        let shape = [random.size(1, 3), random.size(1, 5), random.size(1, 4), random.size(1, 9)];
        let [b, h, w, c] = shape;
        let key = DropoutKey { seed: random.word(), step: random.word(), layer: 7 };
        let factor = random.pick(&[1.0f32, 2.0]);
        let n = shape.iter().product();
        let x = random.floats(n);
        let x_memory = Memory::of(&x, storage, shifted);
        // Whether this is a slice of a layer, or a whole one.
        let row = h * w * c;
        let whole = row + random.pick(&[0, 1, 4, 8, 13]);
        let first = random.pick(&[0, 1, 4, 8]).min(whole - row);
        let slice = random.pick(&[None, Some(DropoutSlice { first, whole })]);
        let run_as = |pixels| -> Result<Memory> {
            let mut y = Memory::uninit(storage, n, shifted);
            let (spans, rows) = ([x_memory.span(), y.span()], DropoutRows::new(&[b, row], slice)?);
            let launch = launch::dropout(storage, spans, (pixels, rows), key, (0.5, factor))?;
            run(&[launch], &mut [&mut y]);
            Ok(y)
        };
        let of = |x: &Array| {
            let all = DropoutSlice { first: 0, whole: row };
            let DropoutSlice { first, whole } = slice.unwrap_or(all);
            let mut layer = Array::zeros(&[b, whole]);
            for (all, own) in layer.values.chunks_mut(whole).zip(x.values.chunks(row)) {
                all[first..first + row].copy_from_slice(own);
            }
            let y = reference::dropout(key, 0.5, f64::from(factor), &layer);
            let own = y.values.chunks(whole).flat_map(|all| all[first..first + row].to_vec());
            exact(&Array { dims: x.dims.clone(), values: own.collect() })
        };
        assert_close("rows", &run_as(None)?, &of(&plain(&x, &[b, row])), 0.0);
        assert_close("maps", &run_as(Some([h * w, c]))?, &of(&array(&x, shape)), 0.0);
        Ok(())
    })
}

/// The gradient of a ReLU with dropout after it needs no mask: the output shows which units stayed.
#[test]
fn relu_and_dropout_backward() -> Result<()> {
    for_each_way(4, |storage, shifted, random| {
        let n = random.pick(&[5, 64, 1000]);
        let key = DropoutKey { seed: 1, step: random.word(), layer: 3 };
        let (x, dy) = (random.floats(n), random.floats(n));
        let rectified = reference::relu(&plain(&x, &[n]));
        let y = exact(&reference::dropout(key, 0.5, 2.0, &rectified));
        let dropped = reference::dropout(key, 0.5, 2.0, &plain(&dy, &[n]));
        let want = exact(&reference::relu_gradient(&rectified, &dropped));
        let [y, dy] = [&y, &dy].map(|v| Memory::of(v, storage, shifted));
        let mut dx = Memory::uninit(storage, n, shifted);
        let spans = [y.span(), dy.span(), dx.span()];
        run(&[launch::activation_backward(Activation::Relu, storage, spans, 2.0)?], &mut [&mut dx]);
        assert_close("dx", &dx, &want, 0.0);
        Ok(())
    })
}

/// Layers of AlexNet's sizes take the kernels of many elements a thread.
#[test]
fn even_sizes_are_vectors() -> Result<()> {
    for (storage, vector) in [(Storage::F32, 4), (Storage::Bf16, 8)] {
        let memory = Memory::uninit(storage, 4096, false);
        let launch = launch::activation(Activation::Relu, storage, [memory.span(); 2])?;
        assert_eq!(
            launch.kernel,
            format!("relu_forward_{}_v{vector}", ["float", "bf16"][vector / 8])
        );
        assert_eq!(launch.grid[0] as usize, 4096 / vector / 256);
    }
    Ok(())
}

/// Padding on each side, and the crop that undoes it.
#[test]
fn pad() -> Result<()> {
    for_each_way(12, |storage, shifted, random| {
        let (b, h, w) = (random.size(1, 2), random.size(1, 5), random.size(1, 5));
        let channels = random.pick(&[1, 3, 4, 8]);
        let [top, left, bottom, right] = [(); 4].map(|()| random.size(0, 3));
        let small = MapSize { height: h, width: w, channels };
        let large = MapSize { height: h + top + bottom, width: w + left + right, channels };
        let x = random.floats(b * h * w * channels);
        let cpu = maps(&x, [b, h, w, channels])?;
        let want = cpu.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?;
        let x_memory = Memory::of(&x, storage, shifted);
        let mut y = Memory::uninit(storage, want.elem_count(), shifted);
        let offsets = [top as i32, left as i32];
        let spans = [x_memory.span(), y.span()];
        run(&[launch::pad(storage, spans, b, [small, large], offsets)?], &mut [&mut y]);
        assert_close("padded", &y, &values(&want)?, 0.0);
        let mut back = Memory::uninit(storage, x.len(), shifted);
        let spans = [y.span(), back.span()];
        let offsets = offsets.map(|x| -x);
        run(&[launch::pad(storage, spans, b, [large, small], offsets)?], &mut [&mut back]);
        assert_close("cropped", &back, &x, 0.0);
        Ok(())
    })
}
