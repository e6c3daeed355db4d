//! Every operation, output and gradient, against numbers that PyTorch computed: `golden/make_golden.py`
//! makes `golden/ops.safetensors`, and its constants stand here once more, beside the tensors' names.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use alexnet_kernels::{
    Conv2d, Gradients, InputGradient, Linear, Lrn, MapNorm, MaxPool2d, Padding, Relu, Sgd,
    SoftmaxCrossEntropy,
};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, TOLERANCE, assert_close};

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
    /// for which the tests against oracles have the same measure.
    #[track_caller]
    fn check(&self, case: &str, part: &str, got: &Tensor) -> Result<()> {
        assert_close(&format!("{case}.{part}"), got, &array(&self.get(case, part))?, TOLERANCE)
    }

    /// An operation of one tensor: `forward(x)`, and `backward(x, y, dy)` to `dx`.
    fn check_map(
        &self,
        case: &str,
        forward: impl Fn(&Tensor) -> Result<Tensor>,
        backward: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        let x = self.get(case, "x");
        let y = forward(&x)?;
        self.check(case, "y", &y)?;
        self.check(case, "dx", &backward(&x, &y, &self.get(case, "dy"))?)
    }

    /// An operation with weights: `forward(x, w, b)`, and `backward(x, w, dy)` to all gradients.
    fn check_layer(
        &self,
        case: &str,
        forward: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
        backward: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Gradients>,
    ) -> Result<()> {
        let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|part| self.get(case, part));
        self.check(case, "y", &forward(&x, &w, &b)?)?;
        let gradients = backward(&x, &w, &dy)?;
        self.check(case, "dx", &gradients.input.expect("the input gradient was asked for"))?;
        self.check(case, "dw", &gradients.weight)?;
        self.check(case, "db", &gradients.bias)
    }
}

fn array(x: &Tensor) -> Result<Array> {
    let values = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    Ok(Array { dims: x.dims().to_vec(), values })
}

fn conv(golden: &Golden) -> Result<()> {
    let (none, one, two) = (Padding::same(0), Padding::same(1), Padding::same(2));
    let hanging = Padding { bottom: 3, right: 3, ..none };
    let uneven = Padding { top: 0, bottom: 2, left: 1, right: 3 };
    let cases = [
        Conv2d { stride: 4, padding: hanging, groups: 1 },
        Conv2d { stride: 1, padding: two, groups: 2 },
        Conv2d { stride: 1, padding: one, groups: 1 },
        Conv2d { stride: 2, padding: none, groups: 1 },
        Conv2d { stride: 3, padding: none, groups: 2 },
        Conv2d { stride: 2, padding: uneven, groups: 2 },
    ];
    for (i, conv) in cases.iter().enumerate() {
        golden.check_layer(
            &format!("conv.{i}"),
            |x, w, b| conv.forward(x, w, b),
            |x, w, dy| conv.backward(x, w, dy, InputGradient::Plain),
        )?;
    }
    Ok(())
}

fn lrn(golden: &Golden) -> Result<()> {
    let original = Lrn { n: 5, alpha: 1e-4, beta: 0.75, k: 2.0, towers: 2, alpha_over_n: true };
    let strong = Lrn { alpha: 3.0, k: 1.0, towers: 1, ..original };
    let cases = [
        original,
        Lrn { towers: 1, alpha_over_n: false, ..original },
        strong,
        Lrn { towers: 2, ..strong },
        Lrn { n: 3, k: 2.0, towers: 2, alpha_over_n: false, ..strong },
    ];
    for (i, lrn) in cases.iter().enumerate() {
        golden.check_map(
            &format!("lrn.{i}"),
            |x| lrn.forward(x),
            |x, _, dy| lrn.backward(x, dy),
        )?;
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
        golden.check_map(
            &format!("map_norm.{i}"),
            |x| norm.forward(x),
            |x, _, dy| norm.backward(x, dy),
        )?;
    }
    Ok(())
}

fn max_pool(golden: &Golden) -> Result<()> {
    let cases = [
        MaxPool2d { kernel: 3, stride: 2, ceil: false },
        MaxPool2d { kernel: 3, stride: 2, ceil: false },
        MaxPool2d { kernel: 3, stride: 2, ceil: true },
        MaxPool2d { kernel: 2, stride: 2, ceil: false },
        MaxPool2d { kernel: 2, stride: 2, ceil: true },
        MaxPool2d { kernel: 2, stride: 3, ceil: false },
        MaxPool2d { kernel: 2, stride: 3, ceil: true },
        MaxPool2d { kernel: 3, stride: 2, ceil: false }, // of equal pixels
    ];
    for (i, pool) in cases.iter().enumerate() {
        golden.check_map(
            &format!("max_pool.{i}"),
            |x| pool.forward(x),
            |x, _, dy| pool.backward(x, dy),
        )?;
    }
    Ok(())
}

fn relu(golden: &Golden) -> Result<()> {
    golden.check_map("relu.0", |x| Relu.forward(x), |_, y, dy| Relu.backward(y, dy))
}

fn linear(golden: &Golden) -> Result<()> {
    golden.check_layer(
        "linear.0",
        |x, w, b| Linear.forward(x, w, b),
        |x, w, dy| Linear.backward(x, w, dy, InputGradient::Plain),
    )
}

fn cross_entropy(golden: &Golden) -> Result<()> {
    for case in ["cross_entropy.0", "cross_entropy.1"] {
        let (logits, labels) = (golden.get(case, "logits"), golden.get(case, "labels"));
        golden.check(case, "loss", &SoftmaxCrossEntropy.forward(&logits, &labels)?)?;
        let (losses, gradient) = SoftmaxCrossEntropy.loss_and_gradient(&logits, &labels)?;
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
                let want = array(&states.get(step)?.get(row)?)?;
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
    for operation in [conv, lrn, map_norm, max_pool, relu, linear, cross_entropy, sgd] {
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
    matches_pytorch(&common::card()?)
}
