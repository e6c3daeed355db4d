//! Local layers against their reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Conv2d, Conv2dConfig, InputGrad, Local2d, Local2dConfig, Padding};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{TOLERANCE, all, assert_close, assert_same_on_all_thread_counts, cases, check};
use common::{flat, refusal};
use proptest::prelude::*;

/// What the authors' CIFAR-10 networks have.
const AUTHORS: Local2dConfig = Local2dConfig { kernel: 3, stride: 1, padding: 1 };

/// `x` `(B, C, H, W)`, weights and bias of so many filters, at random.
fn inputs(config: Local2dConfig, x: [usize; 4], filters: usize) -> Result<[Array; 3]> {
    let (h, w) = config.output_size((x[2], x[3]))?;
    let (outputs, window) = (h * w * filters, config.kernel * config.kernel * x[1]);
    let shapes: [&[usize]; 3] = [&x, &[outputs, window], &[outputs]];
    Ok([0, 1, 2].map(|i| Array::random(shapes[i], i as u32)))
}

fn layer(config: Local2dConfig, inputs: &[Tensor]) -> Result<Local2d> {
    Local2d::new(inputs[1].clone(), inputs[2].clone(), config)
}

fn matches(device: &Device, config: Local2dConfig, x: [usize; 4], filters: usize) -> Result<()> {
    let inputs @ [x, w, bias] = &inputs(config, x, filters)?;
    let size = config.output_size((x.dims[2], x.dims[3]))?;
    check(
        device,
        inputs,
        &reference::local(&config, [x, w, bias], size),
        |dy| reference::local_gradients(&config, x, w, dy).into(),
        |t| layer(config, t)?.forward(&t[0]),
        |t, _, dy| layer(config, t)?.backward(&t[0], dy, InputGrad::Plain).map(all),
    )
}

/// The authors' layer, several tiles of a GPU's results, windows with gaps, one pixel.
fn matches_reference(device: &Device) -> Result<()> {
    matches(device, AUTHORS, [3, 8, 6, 6], 4)?;
    matches(device, AUTHORS, [2, 3, 4, 5], 70)?;
    matches(device, AUTHORS, [67, 66, 2, 1], 3)?;
    matches(device, Local2dConfig { kernel: 2, stride: 3, padding: 0 }, [2, 3, 8, 7], 5)?;
    matches(device, Local2dConfig { kernel: 5, stride: 2, padding: 4 }, [2, 1, 3, 4], 2)?;
    matches(device, Local2dConfig { kernel: 1, stride: 1, padding: 0 }, [1, 1, 1, 1], 1)
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, channels, height, width) in (1..4usize, 1..5usize, 1..7usize, 1..7usize),
        (kernel, stride, padding, filters) in (1..5usize, 1..4usize, 0..4usize, 1..4usize),
    ) {
        let kernel = kernel.min(height + 2).min(width + 2);
        let padding = padding.min(kernel - 1).max(usize::from(kernel > height.min(width)));
        let config = Local2dConfig { kernel, stride, padding };
        prop_assume!(config.output_size((height, width)).is_ok());
        matches(&Device::Cpu, config, [batch, channels, height, width], filters).unwrap();
    }
}

/// With the same filters at every place it is a convolution.
#[test]
fn equal_filters_are_a_convolution() -> Result<()> {
    let (filters, channels, kernel, places) = (4, 3, 3, 6 * 5);
    let x = Array::random(&[2, channels, 6, 5], 1).tensor(&Device::Cpu)?;
    let w = Array::random(&[filters, channels, kernel, kernel], 2).tensor(&Device::Cpu)?;
    let bias = Array::random(&[filters], 3).tensor(&Device::Cpu)?;
    let config = Conv2dConfig { stride: 1, padding: Padding::same(1), groups: 1 };
    let want = Conv2d::new(w.clone(), bias.clone(), config)?.forward(&x)?;
    let rows = w.permute((0, 2, 3, 1))?.flatten_from(1)?; // (O, kernel·kernel·C)
    let rows = Tensor::cat(&vec![rows; places], 0)?;
    let got = Local2d::new(rows, Tensor::cat(&vec![bias; places], 0)?, AUTHORS)?.forward(&x)?;
    assert_close("y", &got, &Array::of(&want)?, TOLERANCE)
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let tensors = inputs(AUTHORS, [37, 16, 6, 5], 24)?.map(|array| array.tensor(&Device::Cpu));
    let tensors: Vec<Tensor> = tensors.into_iter().collect::<Result<_>>()?;
    let layer = layer(AUTHORS, &tensors)?;
    let dy = Array::random(&[37, 24, 6, 5], 4).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let mut results = all(layer.backward(&tensors[0], &dy, InputGrad::Plain)?);
        results.push(layer.forward(&tensors[0])?);
        Ok(results)
    })
}

/// Pixels that no window has get no gradient, whatever is in memory.
#[test]
fn pixels_between_windows_get_no_gradient() -> Result<()> {
    let config = Local2dConfig { kernel: 1, stride: 2, padding: 0 };
    let x = Tensor::ones((1, 1, 3, 3), DType::F32, &Device::Cpu)?;
    let ones = Tensor::ones((4, 1), DType::F32, &Device::Cpu)?;
    let layer = Local2d::new(ones, Tensor::zeros(4, DType::F32, &Device::Cpu)?, config)?;
    let dy = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
    let grads = layer.backward(&x, &dy, InputGrad::Plain)?;
    let dx = flat(&grads.input.expect("it was asked for"))?;
    assert_eq!(dx, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    assert!(layer.backward(&x, &dy, InputGrad::Skip)?.input.is_none());
    Ok(())
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let ones = |dims: &[usize]| Tensor::ones(dims, DType::F32, &Device::Cpu);
    let x = ones(&[1, 2, 3, 3])?;
    let layer = |config| Local2d::new(ones(&[18, 18])?, ones(&[18])?, config);
    assert_eq!(layer(AUTHORS)?.forward(&x)?.dims(), [1, 2, 3, 3]);
    for (config, message) in [
        (Local2dConfig { kernel: 0, ..AUTHORS }, "kernel 0"),
        (Local2dConfig { stride: 0, ..AUTHORS }, "stride 0"),
        (Local2dConfig { padding: 3, ..AUTHORS }, "padding 3 smaller than the kernel"),
        (Local2dConfig { kernel: 7, ..AUTHORS }, "larger than the padded map"),
        (Local2dConfig { padding: 2, ..AUTHORS }, "a multiple of 25 rows"),
        (Local2dConfig { kernel: 2, ..AUTHORS }, "8 columns"),
    ] {
        assert!(refusal(layer(config)?.forward(&x)).contains(message), "{config:?}");
    }
    assert!(refusal(Local2d::new(ones(&[18, 18])?, ones(&[2])?, AUTHORS)).contains("[18]"));
    assert!(refusal(layer(AUTHORS)?.forward(&ones(&[2, 3, 3])?)).contains("4 dimensions"));
    let grads = layer(AUTHORS)?.backward(&x, &ones(&[1, 1, 3, 3])?, InputGrad::Plain);
    assert!(refusal(grads).contains("[1, 2, 3, 3]"));
    Ok(())
}
