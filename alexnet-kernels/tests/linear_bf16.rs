//! The dense layer on the processor with weights in bf16, against sums over f64 of the same rounded factors.

mod common;

use alexnet_kernels::{InputGradient, Linear, Sgd};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_close, assert_same_on_all_thread_counts, cases, refusal};
use half::bf16;
use proptest::prelude::*;

fn rounded(x: &Array) -> Array {
    x.map(|x| f64::from(bf16::from_f32(x as f32)))
}

/// Rows `i`, columns `j`: Σ over `k < inner` of `f(i, j, k)`.
fn sums(dims: [usize; 2], inner: usize, f: impl Fn(usize, usize, usize) -> f64) -> Array {
    let mut sums = Array::zeros(&dims);
    for (at, sum) in sums.values.iter_mut().enumerate() {
        *sum = (0..inner).map(|k| f(at / dims[1], at % dims[1], k)).sum();
    }
    sums
}

struct Case {
    x: Array,
    w: Array,
    bias: Array,
    dy: Array,
}

impl Case {
    fn new(batch: usize, inputs: usize, outputs: usize) -> Self {
        let [x, dy] = [[batch, inputs], [batch, outputs]].map(|dims| Array::random(&dims, 1));
        Self { x, w: Array::random(&[outputs, inputs], 2), bias: Array::random(&[outputs], 3), dy }
    }

    fn run(&self) -> Result<[Tensor; 5]> {
        let [x, w, bias, dy] =
            [&self.x, &self.w, &self.bias, &self.dy].map(|array| array.tensor(&Device::Cpu));
        let (x, w, dy) = (x?, w?.to_dtype(DType::BF16)?, dy?);
        let y = Linear.forward(&x, &w, &bias?)?;
        let plain = Linear.backward(&x, &w, &dy, InputGradient::Plain)?;
        let behind = Linear.backward(&x, &w, &dy, InputGradient::Rectified)?;
        let (dx, rectified) = (plain.input.expect("asked"), behind.input.expect("asked"));
        Ok([y, dx, rectified, plain.weight, plain.bias])
    }

    fn matches(&self) -> Result<()> {
        let ([batch, inputs], outputs) = ([self.x.dims[0], self.x.dims[1]], self.w.dims[0]);
        let [x, w, dy] = [&self.x, &self.w, &self.dy].map(rounded);
        let [x, w, dy] = [x, w, dy].map(|a| move |i: usize, j: usize| a.values[i * a.dims[1] + j]);
        let mut y = sums([batch, outputs], inputs, |b, o, i| x(b, i) * w(o, i));
        y.values.iter_mut().enumerate().for_each(|(at, y)| *y += self.bias.values[at % outputs]);
        let dx = sums([batch, inputs], outputs, |b, i, o| dy(b, o) * w(o, i));
        let mut rectified = dx.clone();
        for (dx, x) in rectified.values.iter_mut().zip(&self.x.values) {
            *dx = if *x > 0.0 { *dx } else { 0.0 };
        }
        let dw = sums([outputs, inputs], batch, |o, i, b| dy(b, o) * x(b, i));
        let db = sums([1, outputs], batch, |_, o, b| self.dy.values[b * outputs + o]);
        let db = Array { dims: vec![outputs], values: db.values };
        let wanted = [y, dx, rectified, dw, db];
        for (name, (got, want)) in
            ["y", "dx", "rectified dx", "dw", "db"].iter().zip(self.run()?.iter().zip(&wanted))
        {
            assert_eq!(got.dtype(), DType::F32);
            assert_close(name, got, want, 1e-5)?; // sums are f32
        }
        Ok(())
    }
}

/// Several blocks of the inner dimension, panels and tasks, none of them whole.
#[test]
fn many_blocks_match_oracle() -> Result<()> {
    Case::new(37, 601, 331).matches()
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn random_shapes_match_oracle(batch in 1..20usize, inputs in 1..70usize, outputs in 1..70usize) {
        Case::new(batch, inputs, outputs).matches().unwrap();
    }
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let case = Case::new(37, 601, 331);
    assert_same_on_all_thread_counts(|| Ok(case.run()?.to_vec()))
}

/// Weights that are a view with other strides are brought in order.
#[test]
fn turned_weights() -> Result<()> {
    let x = Array::random(&[3, 4], 1).tensor(&Device::Cpu)?;
    let w = Array::random(&[4, 6], 2).tensor(&Device::Cpu)?.to_dtype(DType::BF16)?.t()?;
    let bias = Tensor::zeros(6, DType::F32, &Device::Cpu)?;
    let [y, want] = [Linear.forward(&x, &w, &bias)?, Linear.forward(&x, &w.contiguous()?, &bias)?];
    assert_eq!(y.to_vec2::<f32>()?, want.to_vec2::<f32>()?);
    Ok(())
}

#[test]
fn what_is_not_a_number_stays_so() -> Result<()> {
    let x = Tensor::new(&[[f32::NAN, 1.0], [1.0, f32::INFINITY]], &Device::Cpu)?;
    let w = Tensor::ones((1, 2), DType::BF16, &Device::Cpu)?;
    let y = Linear.forward(&x, &w, &Tensor::zeros(1, DType::F32, &Device::Cpu)?)?;
    let y = y.flatten_all()?.to_vec1::<f32>()?;
    assert!(y[0].is_nan() && y[1] == f32::INFINITY, "{y:?}");
    Ok(())
}

/// The copy of the weights is that of the new ones, and the update is that without a copy.
#[test]
fn an_update_writes_the_copy() -> Result<()> {
    let n = 40_000; // several tasks
    let rule = Sgd { rate: 0.1, momentum: 0.9, decay: 0.01 };
    let state = Array::random(&[2, n], 1).tensor(&Device::Cpu)?;
    let (alone, g) = (state.copy()?, Array::random(&[n], 2).tensor(&Device::Cpu)?);
    let copy = Tensor::zeros(n, DType::BF16, &Device::Cpu)?;
    rule.update_with_copy(&state, &g, &copy)?;
    rule.update(&alone, &g)?;
    assert_eq!(state.to_vec2::<f32>()?, alone.to_vec2::<f32>()?);
    let weights: Vec<f32> = state.get(0)?.to_vec1()?;
    let wanted: Vec<bf16> = weights.iter().map(|w| bf16::from_f32(*w)).collect();
    assert_eq!(copy.to_vec1::<bf16>()?, wanted);
    let short = Tensor::zeros(n - 1, DType::BF16, &Device::Cpu)?;
    assert!(refusal(rule.update_with_copy(&state, &g, &short)).contains("40000"));
    Ok(())
}
