//! What the tests of all operations share: views with odd strides, and the one check that holds an
//! operation, its autograd and its explicit gradients against the reference.
// Each test binary is a crate and uses its part.
#![allow(dead_code, unreachable_pub, unused_macros)]

use alexnet_kernels::LayerGrads;
use alexnet_kernels::reference::Array;
use candle_core::{Device, Result, Tensor, Var};
use proptest::test_runner::{Config, RngSeed};

/// Two tests of one body, `fn(&Device) -> Result<()>`: on the processor, and on the first GPU where
/// the crate is built for GPUs.
macro_rules! on_every_device {
    ($body:ident) => {
        #[test]
        fn matches_reference_on_cpu() -> candle_core::Result<()> {
            $body(&candle_core::Device::Cpu)
        }

        #[cfg(feature = "cuda")]
        #[test]
        fn matches_reference_on_cuda() -> candle_core::Result<()> {
            $body(&common::gpu()?)
        }
    };
}

/// The first GPU, opened as programs open it.
#[cfg(feature = "cuda")]
pub fn gpu() -> Result<Device> {
    use alexnet_kernels::{ComputeDevice, DeviceName, DeviceOptions};
    let gpu = ComputeDevice::open(DeviceName::Cuda(0), DeviceOptions::default());
    Ok(gpu.map_err(candle_core::Error::wrap)?.device().clone())
}

/// How the inputs of an operation lie in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum View {
    /// Row-major in the order of the dimensions.
    Plain,
    /// First and last dimension swapped in memory, so the last has the largest stride.
    Transposed,
    /// A slice of a larger tensor: an offset, and gaps between rows.
    Narrowed,
    /// The crate's own order, for rank 4; others stay plain.
    ChannelsLast,
}

pub const VIEWS: [View; 4] = [View::Plain, View::Transposed, View::Narrowed, View::ChannelsLast];

impl View {
    /// The same logical tensor, lying in memory as the view says.
    pub fn of(self, x: &Tensor) -> Result<Tensor> {
        let Some(last) = x.rank().checked_sub(1) else { return Ok(x.clone()) };
        match self {
            Self::Plain => Ok(x.clone()),
            Self::Transposed => x.transpose(0, last)?.contiguous()?.transpose(0, last),
            Self::Narrowed => {
                let n = x.dim(last)?;
                let junk = (x.narrow(last, 0, 1)? * 1e3)?.detach();
                Tensor::cat(&[&junk, x, &junk], last)?.narrow(last, 1, n)
            }
            Self::ChannelsLast if x.rank() == 4 => alexnet_kernels::channels_last(x),
            Self::ChannelsLast => Ok(x.clone()),
        }
    }
}

/// All of f32's noise over the short sums of these tests; a wrong term is far above it.
pub const TOLERANCE: f64 = 1e-5;

/// Elements of `got` against `want`, within `tolerance` of the largest wanted value.
#[track_caller]
pub fn assert_close(what: &str, got: &Tensor, want: &Array, tolerance: f64) -> Result<()> {
    assert_eq!(got.dims(), want.dims, "shape of {what}");
    let largest = want.values.iter().fold(0f64, |max, x| max.max(x.abs()));
    let allowed = tolerance * largest.max(1e-3);
    for (i, (g, w)) in Array::of(got)?.values.iter().zip(&want.values).enumerate() {
        assert!((g - w).abs() <= allowed, "{what}[{i}]: {g}, reference {w}, shape {:?}", want.dims);
    }
    Ok(())
}

/// An operation against its reference, for inputs of any strides.
///
/// `want` is the output and `want_gradients` gives the gradient with respect to each input, given
/// that with respect to the output. `forward` is what candle differentiates; `backward` takes the
/// inputs, the output and the gradient with respect to it.
pub fn check(
    device: &Device,
    inputs: &[Array],
    want: &Array,
    want_gradients: impl Fn(&Array) -> Vec<Array>,
    forward: impl Fn(&[Tensor]) -> Result<Tensor>,
    backward: impl Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Tensor>>,
) -> Result<()> {
    let dy = Array::random(&want.dims, 99);
    let want_gradients = want_gradients(&dy);
    assert_eq!(want_gradients.len(), inputs.len());
    let dy = dy.tensor(device)?;
    for view in VIEWS {
        let vars = inputs.iter().map(|x| Var::from_tensor(&x.tensor(device)?));
        let vars: Vec<Var> = vars.collect::<Result<_>>()?;
        // The view is taken of the variable: `Var::from_tensor` would make it row-major.
        let views: Vec<Tensor> = vars.iter().map(|x| view.of(x)).collect::<Result<_>>()?;
        let y = forward(&views)?;
        assert_close(&format!("{view:?} y"), &y, want, TOLERANCE)?;
        assert_memory_order(&y)?;

        let store = (&y * &dy)?.sum_all()?.backward()?;
        for (i, (var, want)) in vars.iter().zip(&want_gradients).enumerate() {
            let got = store.get(var).expect("a gradient for each variable");
            assert_close(&format!("{view:?} autograd {i}"), got, want, TOLERANCE)?;
        }

        let views: Vec<Tensor> = views.iter().map(Tensor::detach).collect();
        let got = backward(&views, &y.detach(), &view.of(&dy)?)?;
        assert_eq!(got.len(), want_gradients.len());
        for (i, (got, want)) in got.iter().zip(&want_gradients).enumerate() {
            assert_close(&format!("{view:?} gradient {i}"), got, want, TOLERANCE)?;
            assert_memory_order(got)?;
        }
    }
    Ok(())
}

/// All gradients of a layer, of which that with respect to the input was asked for.
pub fn all(grads: LayerGrads) -> Vec<Tensor> {
    vec![grads.input.expect("it was asked for"), grads.weight, grads.bias]
}

/// Rank 4 is channels-last in memory, other ranks are row-major.
#[track_caller]
pub fn assert_memory_order(x: &Tensor) -> Result<()> {
    let in_order = if x.rank() == 4 { x.permute((0, 2, 3, 1))? } else { x.clone() };
    assert!(in_order.is_contiguous(), "shape {:?}, strides {:?}", x.dims(), x.stride());
    Ok(())
}

/// The values in logical order.
pub fn flat(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}

/// `f` gives the same bits on 1, 2 and 5 threads.
pub fn assert_same_on_all_thread_counts(f: impl Fn() -> Result<Vec<Tensor>> + Sync) -> Result<()> {
    let bits = |threads: usize| -> Result<Vec<Vec<u32>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let tensors = pool.expect("threads can be started").install(&f)?;
        let bits = |x| Ok(flat(x)?.into_iter().map(f32::to_bits).collect());
        tensors.iter().map(bits).collect()
    };
    let one = bits(1)?;
    assert!(bits(2)? == one, "2 threads differ from 1");
    assert!(bits(5)? == one, "5 threads differ from 1");
    Ok(())
}

/// The message of the refusal, without the backtrace that candle appends when it is asked to.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    let message = result.expect_err("this must be refused").to_string();
    message.lines().next().expect("a message").to_string()
}

/// Random shapes, the same in every run, and no files of failures beside the tests.
pub fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(2012), ..Config::default() }
}
