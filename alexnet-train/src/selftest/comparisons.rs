//! A device under test: the same numbers for it and for the reference, and the results compared.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{ComputeDevice, InputGrad, Precision, channels_last};
use candle_core::{DType, Device, Error, Result, Tensor};
use serde::Serialize;

use super::bounds;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelftestRow {
    /// The precision: `f32`, `tf32`, `bf16`.
    pub precision: String,
    /// The operation.
    pub operation: String,
    /// The result of the operation that was compared: `y`, `dx`, `dw`, `db` …
    pub what: String,
    /// The sizes of that result.
    pub shape: String,
    /// The largest error divided by the largest expected value; for a training step, the norm of
    /// all errors divided by that of all expected values.
    pub error: f64,
    /// The error that rounding explains.
    pub bound: f64,
    /// Whether the error is within the bound.
    pub passed: bool,
    /// What the device said instead of a result; then the error is infinite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A device under test, and the comparisons so far.
pub(super) struct Comparisons<'a> {
    pub(super) compute: ComputeDevice,
    /// The operations whose results are made wrong before they are compared.
    pub(super) spoil: &'a [String],
    pub(super) rows: &'a mut Vec<SelftestRow>,
    pub(super) on_row: &'a mut dyn FnMut(&SelftestRow),
}

impl Comparisons<'_> {
    pub(super) fn precision(&self) -> Precision {
        self.compute.options().precision
    }

    /// Random activations or weights of `dims`, as [`activations`](Self::activations) gives them.
    pub(super) fn random(&self, dims: &[usize], stream: u32) -> Result<(Tensor, Array)> {
        self.activations(&Array::random(dims, stream))
    }

    /// `x` in the dtype of activations on the device, and the same rounded numbers for the
    /// reference. Tensors of rank 4 are channels-last.
    pub(super) fn activations(&self, x: &Array) -> Result<(Tensor, Array)> {
        self.upload(x, self.compute.activations())
    }

    /// The same for numbers that are f32 at any precision, as biases and means are.
    pub(super) fn f32(&self, x: &Array) -> Result<(Tensor, Array)> {
        self.upload(x, DType::F32)
    }

    fn upload(&self, x: &Array, dtype: DType) -> Result<(Tensor, Array)> {
        let rounded = x.tensor(&Device::Cpu)?.to_dtype(dtype)?;
        let laid_out = if rounded.rank() == 4 { channels_last(&rounded)? } else { rounded.clone() };
        Ok((laid_out.to_device(self.compute.device())?, Array::of(&rounded)?))
    }

    /// Compares a result of the device with that of the reference, value by value. An operation
    /// that was refused is a row that misses.
    pub(super) fn compare(
        &mut self,
        operation: &str,
        what: &str,
        got: Result<Tensor>,
        want: &Array,
        bound: f64,
    ) {
        let shape = want.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        match got.and_then(|got| Ok((got.dims() == want.dims, values_of(&got)?))) {
            Ok((same_dims, mut values)) => {
                self.spoil(operation, &mut values);
                let largest = bounds::largest(&values, &want.values);
                let error = if same_dims { largest } else { f64::INFINITY };
                self.add(operation, what, shape, error, bound);
            }
            Err(error) => self.refuse(operation, what, shape, &error),
        }
    }

    /// Compares several results of one call, each with its name and its bound.
    pub(super) fn compare_all<const N: usize>(
        &mut self,
        operation: &str,
        got: Result<[Tensor; N]>,
        want: [(&str, &Array, f64); N],
    ) {
        let refused = got.as_ref().err().map(ToString::to_string);
        let mut got = got.into_iter().flatten();
        for (what, want, bound) in want {
            let refused = || Error::Msg(refused.clone().unwrap_or_default());
            self.compare(operation, what, got.next().ok_or_else(refused), want, bound);
        }
    }

    /// Compares the gradient with respect to the input `x`, which is `want`; and the gradient with
    /// respect to the input of a ReLU before the operation, whose output is `x`.
    pub(super) fn compare_input_grads(
        &mut self,
        operation: &str,
        x: &Array,
        want: &Array,
        bound: f64,
        backward: impl Fn(InputGrad) -> Result<Option<Tensor>>,
    ) {
        let masked = reference::relu_gradient(x, want);
        for (what, input, want) in
            [("dx", InputGrad::Plain, want), ("dx through relu", InputGrad::ThroughRelu, &masked)]
        {
            let missing = || Error::Msg("it gives no gradient of its input".to_owned());
            let got = backward(input).and_then(|got| got.ok_or_else(missing));
            self.compare(operation, what, got, want, bound);
        }
    }

    /// Runs comparisons of an operation. Where they end with an error, such as memory that ran out,
    /// that is a row of its own, and the next operation is tested all the same.
    pub(super) fn attempt(&mut self, operation: &str, run: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = run(self) {
            self.refuse(operation, "", String::new(), &error);
        }
    }

    pub(super) fn spoil(&self, operation: &str, values: &mut [f64]) {
        if self.spoil.iter().any(|name| name == operation) {
            // A step's bounds are wider than an operation's.
            let factor = if operation.ends_with("step") { 1.5 } else { 1.03 };
            values.iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// Adds the row of a result that there is.
    pub(super) fn add(
        &mut self,
        operation: &str,
        what: &str,
        shape: String,
        error: f64,
        bound: f64,
    ) {
        self.push(operation, what, shape, [error, bound], None);
    }

    fn refuse(&mut self, operation: &str, what: &str, shape: String, error: &Error) {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().trim().to_owned();
        self.push(operation, what, shape, [f64::INFINITY, 0.0], Some(line));
    }

    fn push(
        &mut self,
        operation: &str,
        what: &str,
        shape: String,
        [error, bound]: [f64; 2],
        refused: Option<String>,
    ) {
        let row = SelftestRow {
            precision: self.precision().to_string(),
            operation: operation.to_owned(),
            what: what.to_owned(),
            shape,
            error,
            bound,
            passed: error <= bound, // false for NaN
            refused,
        };
        (self.on_row)(&row);
        self.rows.push(row);
    }
}

/// All values of a tensor, row-major, in the host's memory.
pub(super) fn values_of(x: &Tensor) -> Result<Vec<f64>> {
    x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}
