//! Both ends of a network: the input, with its two kinds of mean, and the loss.

use alexnet_kernels::launch::{self, InputSizes, Storage};
use alexnet_kernels::{Input, SpaceToDepth, Window, Windows, reference};
use candle_core::{Device, Result, Tensor};

use crate::kernels::run;
use crate::memory::Memory;
use crate::{assert_close, exact, for_each_way, plain, tolerance, values};

#[test]
fn input() -> Result<()> {
    for_each_way(12, |storage, shifted, random| {
        let (b, h, w) = (random.size(1, 3), random.size(1, 6), random.size(1, 6));
        let floats = h * w * 3;
        let pixels: Vec<u8> = (0..b * floats).map(|_| random.word() as u8).collect();
        let op = Input::new([0.5, 1.0, 0.25]);
        let (side, top, left) =
            (random.pick(&[1, 2, 4]), random.size(0, 2), random.pick(&[0, 1, 4]));
        let (rows, columns) = (random.size(1, 3), random.size(1, 3));
        let blocks = SpaceToDepth { side, top, left, rows, columns };
        let layouts = [None, Some(blocks)];
        let shift = random.floats(b * 3);
        let cpu_pixels = Tensor::from_slice(&pixels, (b, h, w, 3), &Device::Cpu)?;
        let (exact_shift, as_floats) =
            (shift.clone(), pixels.iter().map(|p| f32::from(*p)).collect::<Vec<_>>());
        let cpu_shift = Tensor::from_slice(&shift, (b, 3), &Device::Cpu)?;
        let (pixels, shift) =
            (Memory::bytes(&pixels, shifted), Memory::of(&shift, Storage::F32, shifted));

        for dims in [vec![h, w, 3], vec![3]] {
            let mean: Vec<f32> =
                random.floats(dims.iter().product()).iter().map(|x| x * 100.0 + 128.0).collect();
            // A mean of three numbers is the same at every pixel.
            let each = mean.repeat(floats / mean.len());
            let want = reference::input(
                op.scale,
                &plain(&as_floats, &[b, h, w, 3]),
                &plain(&each, &[h, w, 3]),
                &plain(&exact_shift, &[b, 3]),
            );
            let mean = Memory::of(&mean, Storage::F32, shifted);
            for blocks in layouts {
                let in_blocks = |blocks| reference::space_to_depth(&blocks, &want);
                let want = exact(&blocks.map_or(want.clone(), in_blocks));
                let mut y = Memory::uninit(storage, want.len(), shifted);
                let spans = [pixels.span(), mean.span(), shift.span(), y.span()];
                let sizes = InputSizes { size: (h, w), blocks };
                run(&[launch::input(storage, spans, sizes, op.scale)?], &mut [&mut y]);
                assert_close("y", &y, &want, tolerance(storage));
            }
        }

        let (rows, columns) = (h + random.size(0, 4), w + random.size(0, 4));
        let mean: Vec<f32> = random.floats(rows * columns * 3).iter().map(|x| x * 100.0).collect();
        let mut window = || Window {
            top: random.size(0, rows - h),
            left: random.size(0, columns - w),
            flip: random.pick(&[false, true]),
        };
        let windows: Vec<Window> = (0..b).map(|_| window()).collect();
        let cpu_mean = Tensor::from_slice(&mean, (rows, columns, 3), &Device::Cpu)?;
        let cpu_windows = Windows::new(&windows, &Device::Cpu)?;
        let words: Vec<u32> =
            windows.iter().flat_map(|v| [v.top as u32, v.left as u32, u32::from(v.flip)]).collect();
        let (mean, words) =
            (Memory::of(&mean, Storage::F32, shifted), Memory::words(&words, shifted));
        for blocks in layouts {
            let op = Input { blocks, ..op };
            let want = op.forward_aligned(&cpu_pixels, &cpu_mean, &cpu_windows, &cpu_shift)?;
            let want = values(&want)?;
            let mut y = Memory::uninit(storage, want.len(), shifted);
            let spans = [pixels.span(), mean.span(), words.span(), shift.span(), y.span()];
            let sizes = InputSizes { size: (h, w), blocks };
            let launch = launch::input_aligned(storage, spans, sizes, columns, op.scale)?;
            run(&[launch], &mut [&mut y]);
            assert_close("aligned y", &y, &want, tolerance(storage));
        }
        Ok(())
    })
}

#[test]
fn cross_entropy() -> Result<()> {
    for_each_way(8, |storage, shifted, random| {
        let (batch, classes) = (random.size(1, 5), random.pick(&[1, 2, 7, 255, 256, 257, 1000]));
        let mut z: Vec<f32> = random.floats(batch * classes).iter().map(|x| x * 8.0).collect();
        // In the last row all classes tie.
        z[(batch - 1) * classes..].fill(-1.0);
        let labels: Vec<u32> = (0..batch).map(|_| random.size(0, classes - 1) as u32).collect();
        let (losses, gradient) =
            reference::softmax_cross_entropy(&plain(&z, &[batch, classes]), &labels);
        let right = reference::right_guesses(&plain(&z, &[batch, classes]), &labels);
        let mean = [(losses.values.iter().sum::<f64>() / batch as f64) as f32];
        let losses = exact(&losses);
        let results = [losses.clone(), exact(&right)].concat();

        let (z, words) = (Memory::of(&z, storage, shifted), Memory::words(&labels, shifted));
        let mut got = Memory::uninit(Storage::F32, 2 * batch, shifted);
        let mut dz = Memory::uninit(storage, batch * classes, shifted);
        let mut got_mean = Memory::uninit(Storage::F32, 1, shifted);
        let spans = [z.span(), words.span(), got.span()];
        let launches = [launch::softmax(storage, spans, Some(dz.span()), (batch, classes))?];
        run(&launches, &mut [&mut got, &mut dz]);
        assert_close("losses and what is right", &got, &results, 1e-5);
        assert_close("dz", &dz, &exact(&gradient), tolerance(storage));

        let mut alone = Memory::uninit(Storage::F32, batch, shifted);
        let spans = [z.span(), words.span(), alone.span()];
        let launch = launch::softmax(storage, spans, None, (batch, classes))?;
        let mean_loss = launch::mean_loss([alone.span(), got_mean.span()], batch)?;
        run(&[launch, mean_loss], &mut [&mut alone, &mut got_mean]);
        assert_close("losses alone", &alone, &losses, 1e-5);
        assert_close("mean", &got_mean, &mean, 1e-5);

        // A label that is no class: NaN in its row, nothing else disturbed.
        let mut wrong = labels.clone();
        wrong[0] = classes as u32;
        let wrong = Memory::words(&wrong, shifted);
        let spans = [z.span(), wrong.span(), got.span()];
        let launch = launch::softmax(storage, spans, Some(dz.span()), (batch, classes))?;
        run(&[launch], &mut [&mut got, &mut dz]);
        assert!(got.floats()[0].is_nan() && dz.floats()[..classes].iter().all(|x| x.is_nan()));
        let others = &got.floats()[1..batch];
        let others = Memory::of(others, Storage::F32, false);
        assert_close("other losses", &others, &losses[1..], 1e-5);
        Ok(())
    })
}
