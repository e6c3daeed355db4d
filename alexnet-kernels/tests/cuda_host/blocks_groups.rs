//! What lies around cuDNN's convolutions: blocks of pixels, weights over blocks, weights in groups,
//! maps of towers.

use alexnet_kernels::launch::{self, KernelBlocks, MapSize, Storage};
use alexnet_kernels::{SpaceToDepth, Towers, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::Memory;
use crate::{array, assert_close, exact, for_each_way, lie, tolerance};

#[test]
fn space_to_depth() -> Result<()> {
    for_each_way(24, |storage, shifted, random| {
        let (batch, height, width) = (random.size(1, 2), random.size(1, 9), random.size(1, 9));
        let channels = random.pick(&[1, 3, 4, 8]);
        let side = random.pick(&[1, 2, 4]);
        let (top, left) = (random.size(0, 3), random.pick(&[0, 1, 4]));
        let (rows, columns) = (random.size(1, 4), random.size(1, 4));
        let blocks = SpaceToDepth { side, top, left, rows, columns };
        let size = MapSize { height, width, channels };
        let x = random.floats(batch * height * width * channels);
        let x_memory = Memory::of(&x, storage, shifted);
        let x = array(&x_memory.floats(), [batch, height, width, channels]);
        let want = exact(&reference::space_to_depth(&blocks, &x));
        let mut y = Memory::uninit(storage, want.len(), shifted);
        let spans = [x_memory.span(), y.span()];
        let launch = launch::space_to_depth(storage, &blocks, (batch, size), spans)?;
        run(&[launch], &mut [&mut y]);
        assert_close("y", &y, &want, 0.0);
        Ok(())
    })
}

#[test]
fn weights_over_blocks_and_back() -> Result<()> {
    for_each_way(16, |storage, shifted, random| {
        let (height, width) = (random.size(1, 7), random.size(1, 7));
        let (outputs, channels, side) =
            (random.size(1, 3), random.pick(&[1, 3, 8]), random.size(1, 4));
        let blocks = (height.div_ceil(side), width.div_ceil(side));
        let kernel = MapSize { height, width, channels };
        let size = KernelBlocks { outputs, kernel, blocks, side };
        let w = random.floats(outputs * height * width * channels);
        let w = Memory::of(&w, storage, shifted);
        // Over blocks the kernel is an image whose pixels are in blocks, an output an image.
        let of_kernel = SpaceToDepth { side, top: 0, left: 0, rows: blocks.0, columns: blocks.1 };
        let image = array(&w.floats(), [outputs, height, width, channels]);
        let want = exact(&reference::space_to_depth(&of_kernel, &image));
        let mut over = Memory::uninit(storage, want.len(), shifted);
        let to = launch::weights_to_depth(storage, size, [w.span(), over.span()])?;
        run(&[to], &mut [&mut over]);
        assert_close("over blocks", &over, &want, 0.0);
        let mut back = Memory::uninit(storage, w.floats().len(), shifted);
        let from = launch::weights_from_depth(storage, size, [over.span(), back.span()])?;
        run(&[from], &mut [&mut back]);
        assert_close("back", &back, &w.floats(), 0.0);
        Ok(())
    })
}

#[test]
fn weights_in_groups_and_back() -> Result<()> {
    for_each_way(16, |storage, shifted, random| {
        let (groups, of_group) = (random.size(1, 3), random.size(1, 3));
        let (taps, channels) = (random.size(1, 4), random.pick(&[1, 3, 4, 8, 16]));
        let outputs = groups * of_group;
        let sizes = [outputs, taps, channels, groups];
        let w = random.floats(outputs * taps * channels);
        let w = Memory::of(&w, storage, shifted);
        let values = w.floats();
        let mut want = vec![0.0; values.len() * groups];
        for (row, from) in values.chunks(channels).enumerate() {
            let first = (row * groups + row / taps / of_group) * channels;
            want[first..first + channels].copy_from_slice(from);
        }
        let mut dense = Memory::uninit(storage, want.len(), shifted);
        let to = launch::with_zeros(storage, [w.span(), dense.span()], sizes)?;
        run(&[to], &mut [&mut dense]);
        assert_close("with zeros", &dense, &want, 0.0);
        // What a convolution over all channels gives between the groups is no one's.
        let noise = random.floats(want.len());
        let dense = Memory::of(&noise, storage, shifted);
        let mut back = Memory::uninit(storage, values.len(), shifted);
        let from = launch::of_groups(storage, [dense.span(), back.span()], sizes)?;
        run(&[from], &mut [&mut back]);
        let dense = dense.floats();
        let group = |row: usize| (row * groups + row / taps / of_group) * channels;
        let want = (0..outputs * taps).flat_map(|row| &dense[group(row)..group(row) + channels]);
        assert_close("of groups", &back, &want.copied().collect::<Vec<_>>(), 0.0);
        Ok(())
    })
}

#[test]
fn towers_apart_and_together() -> Result<()> {
    for_each_way(16, |storage, shifted, random| {
        let (count, row) = (random.size(1, 3), random.pick(&[1, 3, 4, 8, 24]));
        let (pixels, channels) = (random.size(1, 9), count * row);
        let towers = Towers { count, input_apart: false, output_apart: true };
        let (z, bias) = (random.floats(pixels * channels), random.floats(channels));
        let z = Memory::of(&z, storage, shifted);
        let bias = Memory::of(&bias, Storage::F32, shifted);
        for relu in [false, true] {
            let finished = |(i, z): (usize, f32)| {
                (z + bias.floats()[i % channels]).max(if relu { 0.0 } else { f32::MIN })
            };
            let want: Vec<f32> = z.floats().into_iter().enumerate().map(finished).collect();
            let mut y = Memory::uninit(storage, want.len(), shifted);
            let spans = [z.span(), bias.span(), y.span()];
            run(&[launch::towers_apart(storage, count, spans, relu)?], &mut [&mut y]);
            assert_close("apart", &y, &lie(towers, true, channels, &want), tolerance(storage));

            let mut back = Memory::uninit(storage, want.len(), shifted);
            let spans = [y.span(), back.span()];
            run(&[launch::towers_together(storage, (count, row), spans)?], &mut [&mut back]);
            let moved = lie(towers, true, channels, &back.floats());
            assert_close("together", &y, &moved, 0.0);
        }
        Ok(())
    })
}
