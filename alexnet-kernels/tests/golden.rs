//! Every operation, output and gradients, against numbers that PyTorch computed:
//! `golden/make_golden.py` makes `golden/ops.safetensors`, and its constants stand here once more,
//! beside the tensors' names.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use alexnet_kernels::reference::Array;
use alexnet_kernels::{
    Activation, Conv2d, Conv2dConfig, Epilogue, InputGrad, LayerGrads, Linear, Lrn, MapNorm,
    MaxPool2d, Padding, Sgd, cross_entropy, cross_entropy_with_grad,
};
use candle_core::{Device, Module, Result, Tensor};
use common::{TOLERANCE, all, assert_close};

/// The file, and which of its tensors no test has asked for yet.
struct Golden {
    tensors: HashMap<String, Tensor>,
    unread: RefCell<BTreeSet<String>>,
}

impl Golden {
    fn open(device: &Device) -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ops.safetensors");
        let tensors = candle_core::safetensors::load(path, device)?;
        let unread = RefCell::new(tensors.keys().cloned().collect());
        Ok(Self { tensors, unread })
    }

    /// The tensor `case.part`, as `conv.0.x`.
    fn get(&self, case: &str, part: &str) -> Tensor {
        let name = format!("{case}.{part}");
        self.unread.borrow_mut().remove(&name);
        self.tensors.get(&name).unwrap_or_else(|| panic!("no {name} in the file")).clone()
    }

    /// `got` is the tensor `case.part`. The file is exact, so all the difference is rounding here,
    /// for which the tests against references have the same measure.
    #[track_caller]
    fn check(&self, case: &str, part: &str, got: &Tensor) -> Result<()> {
        assert_close(&format!("{case}.{part}"), got, &Array::of(&self.get(case, part))?, TOLERANCE)
    }

    /// An operation of one tensor: its output, and its gradient given `(x, y, dy)`.
    fn check_map(
        &self,
        case: &str,
        op: &impl Module,
        backward: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Option<Tensor>>,
    ) -> Result<()> {
        let x = self.get(case, "x");
        let y = op.forward(&x)?;
        self.check(case, "y", &y)?;
        let dx = backward(&x, &y, &self.get(case, "dy"))?;
        self.check(case, "dx", &dx.expect("it was asked for"))
    }

    /// A layer: what it gives for the case's `x`, and its gradients.
    fn check_layer(&self, case: &str, y: &Tensor, gradients: LayerGrads) -> Result<()> {
        self.check(case, "y", y)?;
        let got = all(gradients);
        ["dx", "dw", "db"].iter().zip(&got).try_for_each(|(part, got)| self.check(case, part, got))
    }
}

fn conv(golden: &Golden) -> Result<()> {
    let (none, one, two) = (Padding::same(0), Padding::same(1), Padding::same(2));
    let uneven = Padding { top: 0, bottom: 2, left: 1, right: 3 };
    let cases = [
        Conv2dConfig { stride: 4, padding: Padding::right_bottom(3), groups: 1 },
        Conv2dConfig { stride: 1, padding: two, groups: 2 },
        Conv2dConfig { stride: 1, padding: one, groups: 1 },
        Conv2dConfig { stride: 2, padding: none, groups: 1 },
        Conv2dConfig { stride: 3, padding: none, groups: 2 },
        Conv2dConfig { stride: 2, padding: uneven, groups: 2 },
    ];
    for (i, config) in cases.into_iter().enumerate() {
        let case = &format!("conv.{i}");
        let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|part| golden.get(case, part));
        let conv = Conv2d::new(w, b, config)?;
        golden.check_layer(case, &conv.forward(&x)?, conv.backward(&x, &dy, InputGrad::Plain)?)?;
    }
    Ok(())
}

fn linear(golden: &Golden) -> Result<()> {
    let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|part| golden.get("linear.0", part));
    let layer = Linear::new(w, b)?;
    let gradients = layer.backward(&x, &dy, InputGrad::Plain)?;
    golden.check_layer("linear.0", &layer.forward(&x)?, gradients)
}

fn lrn(golden: &Golden) -> Result<()> {
    let original = Lrn::ALEXNET.towers(2);
    let strong = Lrn::ALEXNET.alpha(3.0).k(1.0);
    let cases = [
        original,
        Lrn::ALEXNET.alpha_over_n(false),
        strong,
        strong.towers(2),
        Lrn { n: 3, k: 2.0, towers: 2, alpha_over_n: false, ..strong },
    ];
    for (i, lrn) in cases.iter().enumerate() {
        let backward = |x: &Tensor, _: &Tensor, dy: &Tensor| lrn.backward(x, dy, InputGrad::Plain);
        golden.check_map(&format!("lrn.{i}"), lrn, backward)?;
    }
    Ok(())
}

fn map_norm(golden: &Golden) -> Result<()> {
    let cases = [
        MapNorm { n: 5, alpha: 1e-3, beta: 0.75, k: 1.0 },
        MapNorm { n: 5, alpha: 25.0, beta: 0.75, k: 2.0 },
        MapNorm { n: 5, alpha: 25.0, beta: 0.75, k: 1.0 },
        MapNorm { n: 3, alpha: 3.0, beta: 0.75, k: 1.0 },
    ];
    for (i, norm) in cases.iter().enumerate() {
        let backward = |x: &Tensor, _: &Tensor, dy: &Tensor| norm.backward(x, dy, InputGrad::Plain);
        golden.check_map(&format!("map_norm.{i}"), norm, backward)?;
    }
    Ok(())
}

fn max_pool(golden: &Golden) -> Result<()> {
    let cases = [
        MaxPool2d::new(3, 2),
        MaxPool2d::new(3, 2),
        MaxPool2d::new(3, 2).ceil(true),
        MaxPool2d::new(2, 2),
        MaxPool2d::new(2, 2).ceil(true),
        MaxPool2d::new(2, 3),
        MaxPool2d::new(2, 3).ceil(true),
        MaxPool2d::new(3, 2), // of equal pixels
    ];
    for (i, pool) in cases.iter().enumerate() {
        golden.check_map(&format!("max_pool.{i}"), pool, |x, _, dy| {
            let argmax = pool.forward_with_argmax(x, Epilogue::None, InputGrad::Plain)?.argmax;
            pool.backward(&argmax, dy, (x.dim(2)?, x.dim(3)?)).map(Some)
        })?;
    }
    Ok(())
}

fn relu(golden: &Golden) -> Result<()> {
    golden.check_map("relu.0", &Activation::Relu, |_, y, dy| {
        Activation::Relu.backward(y, dy).map(Some)
    })
}

fn loss(golden: &Golden) -> Result<()> {
    for case in ["cross_entropy.0", "cross_entropy.1"] {
        let (logits, labels) = (golden.get(case, "logits"), golden.get(case, "labels"));
        golden.check(case, "loss", &cross_entropy(&logits, &labels)?)?;
        let (losses, gradient) = cross_entropy_with_grad(&logits, &labels)?;
        golden.check(case, "losses", &losses)?;
        golden.check(case, "dlogits", &gradient)?;
    }
    Ok(())
}

/// Weights and velocity are checked apart: the one is much larger than the other.
fn sgd(golden: &Golden) -> Result<()> {
    let original = Sgd { rate: 0.01, momentum: 0.9, decay: 0.0005 };
    let strong = Sgd { rate: 0.25, decay: 0.5, ..original };
    let cases = [[original; 3], [strong; 3], [strong, strong, Sgd { rate: 0.025, ..strong }]];
    for (i, steps) in cases.iter().enumerate() {
        let case = &format!("sgd.{i}");
        let (start, gradients) = (golden.get(case, "start"), golden.get(case, "gradients"));
        let states = golden.get(case, "states"); // (steps, 2, n)
        let state = Tensor::stack(&[&start, &start.zeros_like()?], 0)?;
        for (step, sgd) in steps.iter().enumerate() {
            sgd.update(&state, &gradients.get(step)?.contiguous()?)?;
            for (row, what) in ["weights", "velocity"].iter().enumerate() {
                let want = Array::of(&states.get(step)?.get(row)?)?;
                let what = format!("{case}, {what} after step {step}");
                assert_close(&what, &state.get(row)?, &want, TOLERANCE)?;
            }
        }
    }
    Ok(())
}

/// All operations in one test, so that it can say whether a tensor of the file was forgotten.
fn matches_pytorch(device: &Device) -> Result<()> {
    let golden = Golden::open(device)?;
    for operation in [conv, lrn, map_norm, max_pool, relu, linear, loss, sgd] {
        operation(&golden)?;
    }
    assert_eq!(golden.unread.into_inner(), BTreeSet::new(), "tensors of the file left unread");
    Ok(())
}

#[test]
fn matches_pytorch_on_cpu() -> Result<()> {
    matches_pytorch(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn matches_pytorch_on_cuda() -> Result<()> {
    matches_pytorch(&common::gpu()?)
}
