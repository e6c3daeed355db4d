//! What the tests of all operations share: small f64 arrays, views with odd strides, and the one
//! check that holds an operation, its autograd and its explicit gradient against an oracle.
#![allow(dead_code, unreachable_pub)] // each test binary is a crate and uses its part

use candle_core::{DType, Device, Result, Tensor, Var};
use proptest::test_runner::{Config, RngSeed};

/// A row-major f64 array: what oracles compute with.
#[derive(Debug, Clone)]
pub struct Array {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

impl Array {
    pub fn zeros(dims: &[usize]) -> Self {
        Self { dims: dims.to_vec(), values: vec![0.0; dims.iter().product()] }
    }

    /// Values in −1..1 that f32 represents, different for each seed.
    pub fn random(dims: &[usize], seed: u64) -> Self {
        let mut array = Self::zeros(dims);
        let mut state = seed;
        for value in &mut array.values {
            // splitmix64: not the generator under test.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *value = f64::from(((z >> 40) as f32) / 8_388_608.0 - 1.0);
        }
        array
    }

    /// Offset of an index.
    pub fn at(&self, index: [usize; 4]) -> usize {
        let &[_, c, h, w] = &self.dims[..] else { panic!("not four dimensions") };
        ((index[0] * c + index[1]) * h + index[2]) * w + index[3]
    }

    pub fn get(&self, index: [usize; 4]) -> f64 {
        self.values[self.at(index)]
    }

    pub fn dims4(&self) -> [usize; 4] {
        self.dims[..].try_into().expect("four dimensions")
    }

    /// A new array of `dims` with `f(index)` everywhere.
    pub fn build4(dims: [usize; 4], f: impl Fn([usize; 4]) -> f64) -> Self {
        let mut values = Vec::with_capacity(dims.iter().product());
        for b in 0..dims[0] {
            for c in 0..dims[1] {
                for h in 0..dims[2] {
                    values.extend((0..dims[3]).map(|w| f([b, c, h, w])));
                }
            }
        }
        Self { dims: dims.to_vec(), values }
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { dims: self.dims.clone(), values: self.values.iter().map(|&x| f(x)).collect() }
    }

    pub fn dot(&self, other: &Self) -> f64 {
        self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum()
    }

    pub fn tensor(&self, device: &Device) -> Result<Tensor> {
        let values: Vec<f32> = self.values.iter().map(|&x| x as f32).collect();
        Tensor::from_vec(values, &self.dims[..], device)
    }
}

/// The first card, opened as programs open it.
#[cfg(feature = "cuda")]
pub fn card() -> Result<Device> {
    let options = alexnet_kernels::DeviceOptions::default();
    alexnet_kernels::DeviceName::Cuda(0).open(options).map_err(candle_core::Error::wrap)
}

/// How the inputs of an operation lie in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum View {
    /// Row-major in the order of the dimensions.
    Plain,
    /// First and last dimension swapped in memory, so the last has the largest stride.
    Transposed,
    /// A part of a larger tensor: an offset, and gaps between rows.
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

/// Elements of `got` against `want`, within `tolerance` of the largest wanted value.
#[track_caller]
pub fn assert_close(what: &str, got: &Tensor, want: &Array, tolerance: f64) -> Result<()> {
    assert_eq!(got.dims(), want.dims, "shape of {what}");
    let got: Vec<f64> = got.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    let largest = want.values.iter().fold(0f64, |max, x| max.max(x.abs()));
    for (i, (g, w)) in got.iter().zip(&want.values).enumerate() {
        let allowed = tolerance * largest.max(1e-3);
        assert!((g - w).abs() <= allowed, "{what}[{i}]: {g}, oracle {w}, shape {:?}", want.dims);
    }
    Ok(())
}

/// All of `f32`'s noise over the short sums of these tests; a wrong term is far above it.
pub const TOLERANCE: f64 = 1e-5;

/// The gradient of `Σ dy · oracle(inputs)` by each input, by central differences in f64.
pub fn differences(oracle: &dyn Fn(&[Array]) -> Array, inputs: &[Array], dy: &Array) -> Vec<Array> {
    let step = 1e-5;
    let mut inputs = inputs.to_vec();
    let mut gradients = Vec::new();
    for which in 0..inputs.len() {
        let mut gradient = Array::zeros(&inputs[which].dims);
        for i in 0..gradient.values.len() {
            let x = inputs[which].values[i];
            inputs[which].values[i] = x + step;
            let above = oracle(&inputs).dot(dy);
            inputs[which].values[i] = x - step;
            let below = oracle(&inputs).dot(dy);
            inputs[which].values[i] = x;
            gradient.values[i] = (above - below) / (2.0 * step);
        }
        gradients.push(gradient);
    }
    gradients
}

/// Inputs, the output and its gradient to a gradient for each input.
pub type Backward<'a> = &'a dyn Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Tensor>>;

/// Output, autograd and explicit gradient of `op` against `oracle`, for inputs of any strides.
pub fn check(
    device: &Device,
    inputs: &[Array],
    oracle: &dyn Fn(&[Array]) -> Array,
    op: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    backward: Backward<'_>,
) -> Result<()> {
    let want = oracle(inputs);
    let dy = Array::random(&want.dims, 99);
    let want_gradients = differences(oracle, inputs, &dy);
    let dy = dy.tensor(device)?;
    for view in VIEWS {
        let vars = inputs.iter().map(|x| Var::from_tensor(&x.tensor(device)?));
        let vars: Vec<Var> = vars.collect::<Result<_>>()?;
        // The view is taken behind the variable: `Var::from_tensor` would make it row-major.
        let views: Vec<Tensor> = vars.iter().map(|x| view.of(x)).collect::<Result<_>>()?;
        let y = op(&views)?;
        assert_close(&format!("{view:?} y"), &y, &want, TOLERANCE)?;
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

/// Rank 4 is channels-last in memory, other ranks are row-major.
#[track_caller]
pub fn assert_memory_order(x: &Tensor) -> Result<()> {
    let in_order = if x.rank() == 4 { x.permute((0, 2, 3, 1))? } else { x.clone() };
    assert!(in_order.is_contiguous(), "shape {:?}, strides {:?}", x.dims(), x.stride());
    Ok(())
}

/// `f` gives the same bits on 1, 2 and 5 threads.
pub fn assert_same_on_all_thread_counts(f: impl Fn() -> Result<Vec<Tensor>> + Sync) -> Result<()> {
    let bits = |threads: usize| -> Result<Vec<Vec<u32>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let tensors = pool.expect("threads can be started").install(&f)?;
        let bits = tensors.iter().map(|x| {
            let values: Vec<f32> = x.flatten_all()?.to_vec1()?;
            Ok(values.into_iter().map(f32::to_bits).collect())
        });
        bits.collect()
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
