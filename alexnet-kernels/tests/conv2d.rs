//! Convolution against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Conv2d, Conv2dConfig, Epilogue, InputGrad, Padding, conv2d};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::refusal;
use common::{TOLERANCE, all, assert_close, assert_same_on_all_thread_counts, cases, check, flat};
use proptest::prelude::*;

/// `x` (B, C, H, W), `w` (O, C/groups, kH, kW) and a bias, at random.
fn inputs(x: [usize; 4], w: [usize; 4]) -> [Array; 3] {
    [Array::random(&x, 1), Array::random(&w, 2), Array::random(&w[..1], 3)]
}

fn tensors(inputs: &[Array; 3]) -> Result<Vec<Tensor>> {
    inputs.iter().map(|array| array.tensor(&Device::Cpu)).collect()
}

fn forward(config: &Conv2dConfig, inputs: &[Tensor]) -> Result<Tensor> {
    conv2d(&inputs[0], &inputs[1], Some(&inputs[2]), config)
}

fn backward(config: &Conv2dConfig, inputs: &[Tensor], dy: &Tensor) -> Result<Vec<Tensor>> {
    let conv = Conv2d::new(inputs[1].clone(), inputs[2].clone(), *config)?;
    conv.backward(&inputs[0], dy, InputGrad::Plain).map(all)
}

/// The reference's output.
fn expected(config: &Conv2dConfig, [x, w, bias]: &[Array; 3]) -> Result<Array> {
    let size = config.output_size((x.dims[2], x.dims[3]), (w.dims[2], w.dims[3]))?;
    Ok(reference::conv(config, x, w, bias, size))
}

fn matches(device: &Device, config: Conv2dConfig, x: [usize; 4], w: [usize; 4]) -> Result<()> {
    let inputs = inputs(x, w);
    check(
        device,
        &inputs,
        &expected(&config, &inputs)?,
        |dy| reference::conv_gradients(&config, &inputs[0], &inputs[1], dy).into(),
        |inputs| forward(&config, inputs),
        |inputs, _, dy| backward(&config, inputs, dy),
    )
}

const PLAIN: Conv2dConfig = Conv2dConfig { stride: 1, padding: Padding::same(0), groups: 1 };

/// The kinds of layers AlexNet has, small; maps and kernels of one pixel; gaps between windows.
fn matches_reference(device: &Device) -> Result<()> {
    let conv1 = Conv2dConfig { stride: 4, padding: Padding::right_bottom(3), groups: 1 };
    matches(device, conv1, [1, 3, 12, 12], [2, 3, 11, 11])?;
    let conv2 = Conv2dConfig { padding: Padding::same(2), groups: 2, ..PLAIN };
    matches(device, conv2, [2, 4, 4, 3], [6, 2, 5, 5])?;
    let conv3 = Conv2dConfig { padding: Padding::same(1), ..PLAIN };
    matches(device, conv3, [2, 3, 4, 4], [4, 3, 3, 3])?;
    matches(device, PLAIN, [1, 1, 1, 1], [1, 1, 1, 1])?;
    matches(device, Conv2dConfig { stride: 3, ..PLAIN }, [1, 2, 7, 7], [3, 2, 2, 2])?;
    matches(device, Conv2dConfig { groups: 3, ..PLAIN }, [1, 3, 3, 3], [3, 1, 2, 2])
}

on_every_device!(matches_reference);

/// `(B, C, H, W)` as `(G·B, C/G, H, W)`: the maps of each group by themselves.
fn groups_apart(x: &Tensor, groups: usize) -> Result<Tensor> {
    Tensor::cat(&x.chunk(groups, 1)?, 0)
}

/// Groups apart give what groups in one map give: the same sums, so the same bits on the CPU.
#[test]
fn groups_that_lie_apart() -> Result<()> {
    for (groups, batch, kernel) in [(2, 3, 5), (3, 1, 3), (2, 2, 1)] {
        let config = Conv2dConfig { padding: Padding::same(kernel / 2), groups, ..PLAIN };
        let x = [batch, 2 * groups, 6, 5];
        let inputs = inputs(x, [3 * groups, 2, kernel, kernel]);
        let [x, weight, bias] = <[Tensor; 3]>::try_from(tensors(&inputs)?).unwrap();
        let conv = Conv2d::new(weight, bias, config)?;
        let apart = conv.clone().apart();
        let y = conv.forward_fused(&x, Epilogue::Relu)?;
        let x_apart = groups_apart(&x, groups)?;
        let y_apart = apart.forward_fused(&x_apart, Epilogue::Relu)?;
        assert_eq!(flat(&y_apart)?, flat(&groups_apart(&y, groups)?)?);
        let dy = Array::random(y.dims(), 5).tensor(&Device::Cpu)?;
        let want = conv.backward(&x, &dy, InputGrad::ThroughRelu)?;
        let got = apart.backward(&x_apart, &groups_apart(&dy, groups)?, InputGrad::ThroughRelu)?;
        let [want_dx, got_dx] = [want.input, got.input].map(Option::unwrap);
        assert_eq!(flat(&got_dx)?, flat(&groups_apart(&want_dx, groups)?)?);
        let tolerance = TOLERANCE; // sums over tasks are cut by the number of groups
        assert_close("dw", &got.weight, &Array::of(&want.weight)?, tolerance)?;
        assert_close("db", &got.bias, &Array::of(&want.bias)?, tolerance)?;
    }
    Ok(())
}

/// A convolution whose output lies apart gives what it gives together, moved.
#[test]
fn output_that_lies_apart() -> Result<()> {
    let config = Conv2dConfig { padding: Padding::same(1), ..PLAIN };
    let [x, weight, bias] =
        <[Tensor; 3]>::try_from(tensors(&inputs([2, 3, 5, 4], [6, 3, 3, 3]))?).unwrap();
    let conv = Conv2d::new(weight, bias, config)?;
    let moved = conv.clone().output_apart(3);
    let y = conv.forward_fused(&x, Epilogue::Relu)?;
    let want = flat(&groups_apart(&y, 3)?)?;
    assert_eq!(flat(&moved.forward_fused(&x, Epilogue::Relu)?)?, want);
    let close = Array::of(&groups_apart(&y, 3)?)?;
    assert_close("y", &moved.forward_keeping(&x, Epilogue::Relu)?.0, &close, TOLERANCE)?;
    let dy = Array::random(y.dims(), 5).tensor(&Device::Cpu)?;
    let want = all(conv.backward(&x, &dy, InputGrad::Plain)?);
    let got = all(moved.backward(&x, &groups_apart(&dy, 3)?, InputGrad::Plain)?);
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(flat(got)?, flat(want)?);
    }
    let two = conv.output_apart(4);
    assert!(refusal(two.forward_keeping(&x, Epilogue::None)).contains("into 4 towers"));
    Ok(())
}

#[test]
fn refuses_groups_apart_that_do_not_divide() -> Result<()> {
    let config = Conv2dConfig { groups: 2, ..PLAIN };
    let [x, weight, bias] =
        <[Tensor; 3]>::try_from(tensors(&inputs([3, 2, 4, 4], [2, 2, 1, 1]))?).unwrap();
    let conv = Conv2d::new(weight, bias, config)?.apart();
    let refused = refusal(conv.forward(&x));
    assert!(refused.contains("3 maps and 2 channels are not those of 2 groups"), "{refused}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, groups, group_in, group_out) in (1..4usize, 1..4usize, 1..4usize, 1..4usize),
        (height, width, kh, kw) in (1..7usize, 1..7usize, 1..5usize, 1..5usize),
        (stride, top, bottom) in (1..6usize, 0..4usize, 0..4usize),
        (left, right) in (0..4usize, 0..4usize),
    ) {
        let padding = Padding {
            top: top.min(kh - 1),
            bottom: bottom.min(kh - 1),
            left: left.min(kw - 1),
            right: right.min(kw - 1),
        };
        let config = Conv2dConfig { stride, padding, groups };
        prop_assume!(config.output_size((height, width), (kh, kw)).is_ok());
        let x = [batch, groups * group_in, height, width];
        matches(&Device::Cpu, config, x, [groups * group_out, group_in, kh, kw]).unwrap();
    }
}

/// The bound for a result each of whose values is a sum of `terms` products: four times what sums
/// in f32 lose, because Winograd's transforms may lose that.
///
/// A rounding is off by up to u = 2⁻²⁴ of the partial sum, with no preference for up or down. Of
/// random terms the partial sums grow as the root of their number, so the errors add up to less
/// than u · terms, while the result is about √terms: a share of u · √terms. The largest error and
/// the largest result are about as many times the usual ones.
fn bound(terms: usize) -> f64 {
    4.0 * (terms as f64).sqrt() / (1u64 << 24) as f64
}

/// One layer of some size, dense in memory, against the reference.
fn large_matches(config: Conv2dConfig, x: [usize; 4], w: [usize; 4]) -> Result<()> {
    let arrays = inputs(x, w);
    let tensors = tensors(&arrays)?;
    let y = forward(&config, &tensors)?;
    let [outputs, inputs, kh, kw] = w;
    assert_close("y", &y, &expected(&config, &arrays)?, bound(inputs * kh * kw + 1))?;
    let dy = Array::random(y.dims(), 7);
    let got = backward(&config, &tensors, &dy.tensor(&Device::Cpu)?)?;
    let want = reference::conv_gradients(&config, &arrays[0], &arrays[1], &dy);
    let pixels = dy.values.len() / outputs;
    let terms = [outputs / config.groups * kh * kw, pixels, pixels];
    for (n, what) in ["dx", "dw", "db"].iter().enumerate() {
        assert_close(&format!("{what} of {w:?}"), &got[n], &want[n], bound(terms[n]))?;
    }
    Ok(())
}

/// Large enough for several tiles, blocks and chunks, with both ways to the input gradient.
#[test]
fn several_tiles_match_reference() -> Result<()> {
    for stride in [1, 2] {
        let padding = Padding { left: 0, ..Padding::same(1) };
        let config = Conv2dConfig { stride, padding, groups: 2 };
        large_matches(config, [5, 64, 41, 39], [12, 32, 3, 3])?;
    }
    Ok(())
}

/// Kernels of 3 and 5 with many channels go through Winograd's transforms: tiles that hang over
/// every edge, one image to a unit and several, odd batches, panels that are not full, groups.
#[test]
fn winograd_matches_reference() -> Result<()> {
    let same = Padding::same;
    let uneven = Padding { top: 0, bottom: 2, left: 1, right: 0 };
    let shapes = [
        (1, same(1), 1, [5, 32, 13, 13], [48, 32, 3, 3]),
        (1, same(1), 2, [7, 32, 13, 11], [32, 16, 3, 3]),
        (1, uneven, 1, [1, 16, 39, 45], [80, 16, 3, 3]),
        (1, same(2), 2, [2, 32, 27, 26], [64, 16, 5, 5]),
        (1, same(0), 1, [1, 112, 20, 17], [16, 112, 5, 5]),
        (1, same(1), 1, [3, 208, 13, 13], [16, 208, 3, 3]),
        (4, Padding::right_bottom(3), 1, [2, 3, 64, 60], [32, 3, 11, 11]), // as the first layer
        (4, same(2), 1, [1, 3, 71, 76], [16, 3, 11, 12]),
        (2, uneven, 1, [3, 4, 40, 33], [16, 4, 5, 6]),
    ];
    for (stride, padding, groups, x, w) in shapes {
        large_matches(Conv2dConfig { stride, padding, groups }, x, w)?;
    }
    Ok(())
}

/// The root of the mean squared difference.
fn distance(got: &Array, want: &Array) -> f64 {
    let squares: f64 = got.values.iter().zip(&want.values).map(|(g, w)| (g - w).powi(2)).sum();
    (squares / want.values.len() as f64).sqrt()
}

/// What f32 loses in a layer: Winograd's transforms at most four times what one sum after the other
/// loses.
#[test]
fn winograd_is_as_exact_as_f32_is() -> Result<()> {
    for (pad, x, w) in [(1, [2, 96, 13, 13], [16, 96, 3, 3]), (2, [1, 48, 27, 27], [16, 48, 5, 5])]
    {
        let config = Conv2dConfig { padding: Padding::same(pad), ..PLAIN };
        let arrays = inputs(x, w);
        let tensors = tensors(&arrays)?;
        let y = forward(&config, &tensors)?;
        let dy = Array::random(y.dims(), 7);
        let dw = backward(&config, &tensors, &dy.tensor(&Device::Cpu)?)?.swap_remove(1);

        let want_y = expected(&config, &arrays)?;
        let [_, want_dw, _] = reference::conv_gradients(&config, &arrays[0], &arrays[1], &dy);
        let (plain_y, plain_dw) = plain(pad, &arrays, &dy);
        for (what, got, want, plain) in [("y", y, want_y, plain_y), ("dw", dw, want_dw, plain_dw)] {
            let ratio = distance(&Array::of(&got)?, &want) / distance(&plain, &want);
            assert!(ratio < 4.0, "{what} of {w:?}: {ratio} times the error of plain sums");
        }
    }
    Ok(())
}

/// `y` and `dw` of stride 1 in f32, one term after the other.
fn plain(pad: usize, [x, w, bias]: &[Array; 3], dy: &Array) -> (Array, Array) {
    let (height, width) = (x.dims[2], x.dims[3]);
    let [channels, kh, kw] = [1, 2, 3].map(|i| w.dims[i]);
    let (mut y, mut dw) = (Array::zeros(&dy.dims), Array::zeros(&w.dims));
    let add = |sum: &mut f64, x: f64, by: f64| *sum = f64::from(*sum as f32 + x as f32 * by as f32);
    for (b, o) in (0..dy.dims[0]).flat_map(|b| (0..dy.dims[1]).map(move |o| (b, o))) {
        for (h, col) in (0..dy.dims[2]).flat_map(|h| (0..dy.dims[3]).map(move |col| (h, col))) {
            let at = y.at([b, o, h, col]);
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let (row, column) = ((h + i).wrapping_sub(pad), (col + j).wrapping_sub(pad));
                if row >= height || column >= width {
                    continue;
                }
                for c in 0..channels {
                    let (pixel, weight) = (x.get([b, c, row, column]), w.at([o, c, i, j]));
                    add(&mut y.values[at], pixel, w.values[weight]);
                    add(&mut dw.values[weight], pixel, dy.values[at]);
                }
            }
            add(&mut y.values[at], bias.values[o], 1.0);
        }
    }
    (y, dw)
}

#[test]
fn leaves_out_what_is_not_asked_for() -> Result<()> {
    let arrays = inputs([1, 1, 3, 3], [1, 1, 2, 2]);
    let [x, w, bias] = &tensors(&arrays)?[..] else { panic!("three inputs") };
    let dy = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
    let conv = Conv2d::new(w.clone(), bias.zeros_like()?, PLAIN)?;
    assert!(conv.backward(x, &dy, InputGrad::Skip)?.input.is_none());
    assert_eq!(flat(&conv2d(x, w, None, &PLAIN)?)?, flat(&conv.forward(x)?)?);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let config = Conv2dConfig { padding: Padding::same(1), groups: 2, ..PLAIN };
    let inputs = tensors(&inputs([7, 32, 19, 17], [24, 16, 3, 3]))?;
    let dy = Array::random(&[7, 24, 19, 17], 5).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let mut results = backward(&config, &inputs, &dy)?;
        results.push(forward(&config, &inputs)?);
        Ok(results)
    })
}

/// 224 pixels, 11 by 11, stride 4, three pixels over the right and lower edge: 55.
#[test]
fn output_size_of_the_first_layer() -> Result<()> {
    let conv1 = Conv2dConfig { stride: 4, padding: Padding::right_bottom(3), groups: 1 };
    assert_eq!(conv1.output_size((224, 224), (11, 11))?, (55, 55));
    Ok(())
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let x = Tensor::ones((2, 4, 5, 5), DType::F32, cpu)?;
    let w = Tensor::ones((6, 4, 3, 3), DType::F32, cpu)?;
    let bias = Tensor::ones(6, DType::F32, cpu)?;
    let with = |config: Conv2dConfig| refusal(conv2d(&x, &w, Some(&bias), &config));
    assert!(with(Conv2dConfig { stride: 0, ..PLAIN }).contains("stride 0"));
    assert!(with(Conv2dConfig { groups: 0, ..PLAIN }).contains("0 groups"));
    assert!(with(Conv2dConfig { groups: 3, ..PLAIN }).contains("3 groups"));
    assert!(with(Conv2dConfig { groups: 2, ..PLAIN }).contains("2 channels a group, takes 4"));
    assert!(with(Conv2dConfig { padding: Padding::same(3), ..PLAIN }).contains("padding 3"));

    let conv = Conv2d::new(w.clone(), bias.clone(), PLAIN)?;
    let narrow = refusal(conv.forward(&x.narrow(2, 0, 2)?));
    assert!(narrow.contains("larger than the padded map, 2"), "{narrow}");
    assert!(refusal(conv.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(conv.forward(&x.flatten_from(2)?)).contains("4 dimensions"));
    assert!(refusal(conv.forward(&x.to_dtype(DType::F64)?)).contains("F64"));
    assert!(refusal(conv.backward(&x, &x, InputGrad::Plain)).contains("[2, 6, 3, 3]"));
    assert!(refusal(Conv2d::new(w.to_dtype(DType::U8)?, bias.clone(), PLAIN)).contains("U8"));
    assert!(refusal(Conv2d::new(w, bias.narrow(0, 0, 5)?, PLAIN)).contains("[6]"));
    Ok(())
}
