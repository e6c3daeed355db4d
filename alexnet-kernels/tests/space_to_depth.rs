//! Images in blocks of pixels against the reference, and a strided convolution over them.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Conv2d, Conv2dConfig, Epilogue, InputGrad, Padding, SpaceToDepth};
use candle_core::{Device, Result};
use common::{TOLERANCE, assert_close, cases, refusal};
use proptest::prelude::*;

fn matches(device: &Device, blocks: &SpaceToDepth, x: [usize; 4]) -> Result<()> {
    let x = Array::random(&x, 1);
    let y = blocks.forward(&x.tensor(device)?)?;
    assert_close("y", &y, &reference::space_to_depth(blocks, &x), 0.0)
}

/// The first layer's images, whose blocks hang over two edges; blocks of one pixel.
fn matches_reference(device: &Device) -> Result<()> {
    let conv1 = SpaceToDepth { side: 4, top: 0, left: 0, rows: 4, columns: 4 };
    matches(device, &conv1, [2, 3, 12, 12])?;
    let padded = SpaceToDepth { side: 2, top: 1, left: 1, rows: 4, columns: 3 };
    matches(device, &padded, [1, 2, 5, 4])?;
    matches(device, &SpaceToDepth { side: 1, top: 0, left: 0, rows: 3, columns: 5 }, [2, 3, 3, 5])
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn matches_reference_on_random_shapes(
        x in [1..3usize, 1..5usize, 1..9usize, 1..9usize],
        (side, top, left, rows, columns) in (1..5usize, 0..5usize, 0..5usize, 1..5usize, 1..5usize),
    ) {
        let blocks = SpaceToDepth { side, top, left, rows, columns };
        matches(&Device::Cpu, &blocks, x).unwrap();
    }

    /// A strided convolution of pixels and of blocks, and both gradients of the weights.
    #[test]
    fn a_convolution_over_blocks_is_that_over_pixels(
        (batch, outputs, channels) in (1..3usize, 1..4usize, 1..4usize),
        (side, kernel, extra) in (2..5usize, 1..8usize, 0..9usize),
        (top, right) in (0..3usize, 0..3usize),
    ) {
        let padding = Padding { top, right, ..Padding::same(0) };
        prop_assume!(top < kernel && right < kernel);
        over_blocks(batch, outputs, channels, side, kernel, extra, padding).unwrap();
    }
}

fn over_blocks(
    batch: usize,
    outputs: usize,
    channels: usize,
    stride: usize,
    kernel: usize,
    extra: usize,
    padding: Padding,
) -> Result<()> {
    let (cpu, size) = (Device::Cpu, kernel + extra);
    let config = Conv2dConfig { stride, padding, groups: 1 };
    let x = Array::random(&[batch, channels, size, size], 1).tensor(&cpu)?;
    let weight = Array::random(&[outputs, channels, kernel, kernel], 2).tensor(&cpu)?;
    let bias = Array::random(&[outputs], 3).tensor(&cpu)?;
    let conv = Conv2d::new(weight, bias, config)?;
    let y = conv.forward_fused(&x, Epilogue::Relu)?;
    let [_, _, h, w] = <[usize; 4]>::try_from(y.dims()).unwrap();
    let side = kernel.div_ceil(stride);
    let blocks = SpaceToDepth {
        side: stride,
        top: padding.top,
        left: padding.left,
        rows: h + side - 1,
        columns: w + side - 1,
    };
    let in_blocks = blocks.forward(&x)?;
    let over = conv.forward_fused(&in_blocks, Epilogue::Relu)?;
    assert_close("y", &over, &Array::of(&y)?, TOLERANCE)?;

    let dy = Array::random(y.dims(), 4).tensor(&cpu)?;
    let want = conv.backward(&x, &dy, InputGrad::Skip)?;
    let got = conv.backward(&in_blocks, &dy, InputGrad::Skip)?;
    assert_close("dw", &got.weight, &Array::of(&want.weight)?, TOLERANCE)?;
    assert_close("db", &got.bias, &Array::of(&want.bias)?, TOLERANCE)?;
    let refused = refusal(conv.backward(&in_blocks, &dy, InputGrad::Plain));
    assert!(refused.contains("blocks of pixels have no gradient"), "{refused}");
    Ok(())
}

/// Only the first layer of the networks here has so few channels that a GPU makes blocks of them.
#[test]
fn blocks_on_a_gpu() -> Result<()> {
    let conv = |channels, kernel, stride| {
        let weight = Array::zeros(&[8, channels, kernel, kernel]).tensor(&Device::Cpu)?;
        let bias = Array::zeros(&[8]).tensor(&Device::Cpu)?;
        let padding = Padding::right_bottom(3);
        Conv2d::new(weight, bias, Conv2dConfig { stride, padding, groups: 1 })
    };
    let conv1 = SpaceToDepth { side: 4, top: 0, left: 0, rows: 57, columns: 57 };
    assert_eq!(conv(3, 11, 4)?.blocks_on_gpu((224, 224))?, Some(conv1));
    assert_eq!(conv(8, 11, 4)?.blocks_on_gpu((224, 224))?, None);
    assert_eq!(conv(3, 11, 1)?.blocks_on_gpu((224, 224))?, None);
    assert_eq!(conv(3, 11, 3)?.blocks_on_gpu((224, 224))?, None); // 27 channels
    assert!(conv(3, 11, 4)?.blocks_on_gpu((7, 7)).is_err());
    Ok(())
}

#[test]
fn refuses_what_has_no_blocks() -> Result<()> {
    let x = Array::zeros(&[1, 1, 2, 2]).tensor(&Device::Cpu)?;
    let none = SpaceToDepth { side: 0, top: 0, left: 0, rows: 1, columns: 1 };
    assert!(refusal(none.forward(&x)).contains("has no pixels"));
    let blocks = SpaceToDepth { side: 1, ..none };
    assert!(refusal(blocks.forward(&x.flatten_all()?)).contains("must have 4 dimensions"));
    Ok(())
}
