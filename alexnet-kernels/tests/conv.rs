//! Convolution against sums over f64.

mod common;

use std::cell::Cell;

use alexnet_kernels::{Conv2d, InputGradient, Padding};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_close, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// The formula at the head of `conv.rs`, one term at a time.
fn oracle(conv: &Conv2d, inputs: &[Array]) -> Array {
    let [x, w, bias] = inputs else { panic!("three inputs") };
    let ([batch, _, height, width], [out, group_in, kh, kw]) = (x.dims4(), w.dims4());
    let size = conv.output_size((height, width), (kh, kw)).expect("sizes that fit");
    Array::build4([batch, out, size.0, size.1], |[b, o, h, col]| {
        let first = o / (out / conv.groups) * group_in;
        let mut sum = bias.values[o];
        for c in 0..group_in {
            for i in 0..kh {
                for j in 0..kw {
                    let y = (h * conv.stride + i) as isize - conv.padding.top as isize;
                    let z = (col * conv.stride + j) as isize - conv.padding.left as isize;
                    if (0..height as isize).contains(&y) && (0..width as isize).contains(&z) {
                        let pixel = x.get([b, first + c, y as usize, z as usize]);
                        sum += pixel * w.get([o, c, i, j]);
                    }
                }
            }
        }
        sum
    })
}

/// `x` (B, C, H, W), `w` (O, C/groups, kH, kW) and a bias, at random.
fn inputs(x: [usize; 4], w: [usize; 4]) -> [Array; 3] {
    [Array::random(&x, 1), Array::random(&w, 2), Array::random(&w[..1], 3)]
}

fn matches(device: &Device, conv: Conv2d, x: [usize; 4], w: [usize; 4]) -> Result<()> {
    check(
        device,
        &inputs(x, w),
        &|inputs| oracle(&conv, inputs),
        &|inputs| conv.forward(&inputs[0], &inputs[1], &inputs[2]),
        &|inputs, _, dy| {
            let gradients = conv.backward(&inputs[0], &inputs[1], dy, InputGradient::Plain)?;
            Ok(vec![gradients.input.expect("asked for"), gradients.weight, gradients.bias])
        },
    )
}

const PLAIN: Conv2d = Conv2d { stride: 1, padding: Padding::same(0), groups: 1 };

/// The kinds of layers AlexNet has, small; maps and kernels of one pixel; gaps between windows.
fn matches_oracle(device: &Device) -> Result<()> {
    let hanging = Padding { bottom: 3, right: 3, ..Padding::same(0) };
    let conv1 = Conv2d { stride: 4, padding: hanging, groups: 1 };
    matches(device, conv1, [1, 3, 12, 12], [2, 3, 11, 11])?;
    let conv2 = Conv2d { padding: Padding::same(2), groups: 2, ..PLAIN };
    matches(device, conv2, [2, 4, 4, 3], [6, 2, 5, 5])?;
    matches(device, Conv2d { padding: Padding::same(1), ..PLAIN }, [2, 3, 4, 4], [4, 3, 3, 3])?;
    matches(device, PLAIN, [1, 1, 1, 1], [1, 1, 1, 1])?;
    matches(device, Conv2d { stride: 3, ..PLAIN }, [1, 2, 7, 7], [3, 2, 2, 2])?;
    matches(device, Conv2d { groups: 3, ..PLAIN }, [1, 3, 3, 3], [3, 1, 2, 2])
}

#[test]
fn matches_oracle_on_cpu() -> Result<()> {
    matches_oracle(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn matches_oracle_on_cuda() -> Result<()> {
    matches_oracle(&common::card()?)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn matches_oracle_on_random_shapes(
        (batch, groups, group_in, group_out) in (1..4usize, 1..4usize, 1..4usize, 1..4usize),
        (height, width, kh, kw) in (1..7usize, 1..7usize, 1..5usize, 1..5usize),
        (stride, top, bottom, left, right) in (1..6usize, 0..4usize, 0..4usize, 0..4usize, 0..4usize),
    ) {
        let padding = Padding {
            top: top.min(kh - 1),
            bottom: bottom.min(kh - 1),
            left: left.min(kw - 1),
            right: right.min(kw - 1),
        };
        let conv = Conv2d { stride, padding, groups };
        prop_assume!(conv.output_size((height, width), (kh, kw)).is_ok());
        let x = [batch, groups * group_in, height, width];
        matches(&Device::Cpu, conv, x, [groups * group_out, group_in, kh, kw]).unwrap();
    }
}

/// Large enough for several tiles, blocks and chunks, with both roads of the input gradient.
#[test]
fn several_tiles_match_oracle() -> Result<()> {
    for stride in [1, 2] {
        let conv = Conv2d { stride, padding: Padding { left: 0, ..Padding::same(1) }, groups: 2 };
        let arrays = inputs([5, 64, 41, 39], [12, 32, 3, 3]);
        let [x, w, _] = &arrays;
        let tensors: Vec<Tensor> =
            arrays.iter().map(|a| a.tensor(&Device::Cpu)).collect::<Result<_>>()?;
        let y = conv.forward(&tensors[0], &tensors[1], &tensors[2])?;
        assert_close("y", &y, &oracle(&conv, &arrays), 1e-5)?;
        let dy = Array::random(y.dims(), 7);
        let (dx, dw) = adjoint(&conv, x, w, &dy);
        let got = conv.backward(
            &tensors[0],
            &tensors[1],
            &dy.tensor(&Device::Cpu)?,
            InputGradient::Plain,
        )?;
        assert_close("dx", &got.input.expect("asked for"), &dx, 1e-5)?;
        assert_close("dw", &got.weight, &dw, 1e-5)?;
    }
    Ok(())
}

/// `dx` and `dw`: what each product of the oracle gives to its factors.
fn adjoint(conv: &Conv2d, x: &Array, w: &Array, dy: &Array) -> (Array, Array) {
    let (mut dx, mut dw) = (Array::zeros(&x.dims), Array::zeros(&w.dims));
    let ([batch, _, height, width], [out, group_in, kh, kw]) = (x.dims4(), w.dims4());
    let [_, _, out_h, out_w] = dy.dims4();
    for (b, o) in (0..batch).flat_map(|b| (0..out).map(move |o| (b, o))) {
        let first = o / (out / conv.groups) * group_in;
        for (h, col) in (0..out_h).flat_map(|h| (0..out_w).map(move |col| (h, col))) {
            let dy = dy.get([b, o, h, col]);
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let y = (h * conv.stride + i).wrapping_sub(conv.padding.top);
                let z = (col * conv.stride + j).wrapping_sub(conv.padding.left);
                if y < height && z < width {
                    for c in 0..group_in {
                        let (pixel, weight) = (x.at([b, first + c, y, z]), w.at([o, c, i, j]));
                        dx.values[pixel] += dy * w.values[weight];
                        dw.values[weight] += dy * x.values[pixel];
                    }
                }
            }
        }
    }
    (dx, dw)
}

#[test]
fn leaves_the_input_gradient_out_when_not_asked() -> Result<()> {
    let [x, w, _] = inputs([1, 1, 3, 3], [1, 1, 2, 2]);
    let dy = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
    let (x, w) = (x.tensor(&Device::Cpu)?, w.tensor(&Device::Cpu)?);
    assert!(PLAIN.backward(&x, &w, &dy, InputGradient::No)?.input.is_none());
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let conv = Conv2d { stride: 1, padding: Padding::same(1), groups: 2 };
    let arrays = inputs([7, 32, 19, 17], [24, 16, 3, 3]);
    let [x, w, bias] = [&arrays[0], &arrays[1], &arrays[2]].map(|a| a.tensor(&Device::Cpu));
    let (x, w, bias) = (x?, w?, bias?);
    let dy = Array::random(&[7, 24, 19, 17], 5).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let gradients = conv.backward(&x, &w, &dy, InputGradient::Plain)?;
        let y = conv.forward(&x, &w, &bias)?;
        Ok(vec![y, gradients.input.expect("asked for"), gradients.weight, gradients.bias])
    })
}

/// 224 pixels, 11 by 11, stride 4, three pixels over the right and lower edge: 55.
#[test]
fn output_size_of_the_first_layer() -> Result<()> {
    let hanging = Padding { bottom: 3, right: 3, ..Padding::same(0) };
    let conv1 = Conv2d { stride: 4, padding: hanging, groups: 1 };
    assert_eq!(conv1.output_size((224, 224), (11, 11))?, (55, 55));
    Ok(())
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let x = Tensor::ones((2, 4, 5, 5), DType::F32, cpu)?;
    let w = Tensor::ones((6, 4, 3, 3), DType::F32, cpu)?;
    let bias = Tensor::ones(6, DType::F32, cpu)?;
    let forward = |conv: Conv2d, x: &Tensor, w: &Tensor| refusal(conv.forward(x, w, &bias));

    assert!(forward(Conv2d { stride: 0, ..PLAIN }, &x, &w).contains("stride 0"));
    assert!(forward(Conv2d { groups: 0, ..PLAIN }, &x, &w).contains("0 groups"));
    assert!(forward(Conv2d { groups: 3, ..PLAIN }, &x, &w).contains("3 groups"));
    assert!(forward(Conv2d { groups: 2, ..PLAIN }, &x, &w).contains("2 channels a group, takes 4"));
    assert!(forward(Conv2d { padding: Padding::same(3), ..PLAIN }, &x, &w).contains("padding 3"));
    assert!(forward(PLAIN, &x.narrow(2, 0, 2)?, &w).contains("larger than the padded map, 2"));
    assert!(forward(PLAIN, &x.narrow(0, 0, 0)?, &w).contains("empty"));
    assert!(forward(PLAIN, &x.flatten_from(2)?, &w).contains("4 dimensions"));
    assert!(forward(PLAIN, &x.to_dtype(DType::F64)?, &w).contains("F64"));
    assert!(forward(PLAIN, &x, &w.to_dtype(DType::U8)?).contains("U8"));
    assert!(refusal(PLAIN.forward(&x, &w, &bias.narrow(0, 0, 5)?)).contains("[6]"));
    assert!(refusal(PLAIN.backward(&x, &w, &x, InputGradient::Plain)).contains("[2, 6, 3, 3]"));
    Ok(())
}

/// Kernels of 3 and 5 with many channels go through Winograd's transforms: tiles that hang over every edge, one
/// image to a unit and several, odd batches, panels that are not full, groups.
#[test]
fn winograd_matches_oracle() -> Result<()> {
    let same = Padding::same;
    let uneven = Padding { top: 0, bottom: 2, left: 1, right: 0 };
    let hanging = Padding { bottom: 3, right: 3, ..same(0) };
    let shapes = [
        (1, same(1), 1, [5, 32, 13, 13], [48, 32, 3, 3]),
        (1, same(1), 2, [7, 32, 13, 11], [32, 16, 3, 3]),
        (1, uneven, 1, [1, 16, 39, 45], [80, 16, 3, 3]),
        (1, same(2), 2, [2, 32, 27, 26], [64, 16, 5, 5]),
        (1, same(0), 1, [1, 112, 20, 17], [16, 112, 5, 5]),
        (1, same(1), 1, [3, 208, 13, 13], [16, 208, 3, 3]),
        (4, hanging, 1, [2, 3, 64, 60], [32, 3, 11, 11]), // as the first layer
        (4, same(2), 1, [1, 3, 71, 76], [16, 3, 11, 12]),
        (2, uneven, 1, [3, 4, 40, 33], [16, 4, 5, 6]),
    ];
    for (stride, padding, groups, x, w) in shapes {
        let conv = Conv2d { stride, padding, groups };
        let arrays = inputs(x, w);
        let tensors: Vec<Tensor> =
            arrays.iter().map(|a| a.tensor(&Device::Cpu)).collect::<Result<_>>()?;
        let y = conv.forward(&tensors[0], &tensors[1], &tensors[2])?;
        assert_close("y", &y, &oracle(&conv, &arrays), 3e-6)?;
        let dy = Array::random(y.dims(), 7);
        let (dx, dw) = adjoint(&conv, &arrays[0], &arrays[1], &dy);
        let dy = dy.tensor(&Device::Cpu)?;
        let got = conv.backward(&tensors[0], &tensors[1], &dy, InputGradient::Plain)?;
        assert_close("dx", &got.input.expect("asked for"), &dx, 3e-6)?;
        assert_close("dw", &got.weight, &dw, 3e-6)?;
    }
    Ok(())
}

/// The root of the mean squared difference.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    let squares: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
    (squares / want.len() as f64).sqrt()
}

/// What fp32 loses in a layer: Winograd's transforms at most four times what one sum after the other loses.
#[test]
fn winograd_is_as_exact_as_fp32_is() -> Result<()> {
    for (pad, x, w) in [(1, [2, 96, 13, 13], [16, 96, 3, 3]), (2, [1, 48, 27, 27], [16, 48, 5, 5])]
    {
        let conv = Conv2d { stride: 1, padding: Padding::same(pad), groups: 1 };
        let arrays = inputs(x, w);
        let tensors: Vec<Tensor> =
            arrays.iter().map(|a| a.tensor(&Device::Cpu)).collect::<Result<_>>()?;
        let y = conv.forward(&tensors[0], &tensors[1], &tensors[2])?;
        let dy = Array::random(y.dims(), 7);
        let got =
            conv.backward(&tensors[0], &tensors[1], &dy.tensor(&Device::Cpu)?, InputGradient::No)?;

        let want = oracle(&conv, &arrays);
        let (_, dw) = adjoint(&conv, &arrays[0], &arrays[1], &dy);
        let (plain_y, plain_dw) = plain(&conv, &arrays, &dy);
        for (what, got, want, plain) in [("y", y, want, plain_y), ("dw", got.weight, dw, plain_dw)]
        {
            let got: Vec<f64> = got.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
            let ratio = distance(&got, &want.values) / distance(&plain, &want.values);
            assert!(ratio < 4.0, "{what} of {w:?}: {ratio} times the error of plain sums");
        }
    }
    Ok(())
}

/// `y` and `dw` in fp32, one term after the other.
fn plain(conv: &Conv2d, [x, w, bias]: &[Array; 3], dy: &Array) -> (Vec<f64>, Vec<f64>) {
    let ([batch, _, height, width], [out, channels, kh, kw]) = (x.dims4(), w.dims4());
    let [_, _, out_h, out_w] = dy.dims4();
    let dw: Vec<Cell<f32>> = vec![Cell::new(0.0); w.values.len()];
    let y = Array::build4([batch, out, out_h, out_w], |[b, o, h, col]| {
        let mut sum = 0f32;
        let slope = dy.get([b, o, h, col]) as f32;
        for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
            let (row, column) =
                ((h + i).wrapping_sub(conv.padding.top), (col + j).wrapping_sub(conv.padding.left));
            if row >= height || column >= width {
                continue;
            }
            for c in 0..channels {
                let pixel = x.get([b, c, row, column]) as f32;
                sum += pixel * w.get([o, c, i, j]) as f32;
                let dw = &dw[w.at([o, c, i, j])];
                dw.set(dw.get() + pixel * slope);
            }
        }
        f64::from(sum + bias.values[o] as f32)
    });
    (y.values, dw.iter().map(|dw| f64::from(dw.get())).collect())
}
