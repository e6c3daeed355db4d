//! A device under test: the same numbers for it and for the reference, and the results compared.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{ComputeDevice, InputGrad, Precision, channels_last};
use candle_core::{DType, Device, Result, Tensor, bail};
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

    /// Compares a result of the device with that of the reference, value by value.
    pub(super) fn compare(
        &mut self,
        operation: &str,
        what: &str,
        got: &Tensor,
        want: &Array,
        bound: f64,
    ) -> Result<()> {
        let mut values = values_of(got)?;
        self.spoil(operation, &mut values);
        let same_dims = got.dims() == want.dims;
        let error = if same_dims { bounds::largest(&values, &want.values) } else { f64::INFINITY };
        let shape = want.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        self.add(operation, what, shape, error, bound);
        Ok(())
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
    ) -> Result<()> {
        let masked = reference::relu_gradient(x, want);
        for (what, input, want) in
            [("dx", InputGrad::Plain, want), ("dx through relu", InputGrad::ThroughRelu, &masked)]
        {
            let Some(got) = backward(input)? else { bail!("{operation}: there is no {what}") };
            self.compare(operation, what, &got, want, bound)?;
        }
        Ok(())
    }

    pub(super) fn spoil(&self, operation: &str, values: &mut [f64]) {
        if self.spoil.iter().any(|name| name == operation) {
            // A step's bounds are wider than an operation's.
            let factor = if operation.ends_with("step") { 1.5 } else { 1.03 };
            values.iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// Adds a row.
    pub(super) fn add(
        &mut self,
        operation: &str,
        what: &str,
        shape: String,
        error: f64,
        bound: f64,
    ) {
        let row = SelftestRow {
            precision: self.precision().to_string(),
            operation: operation.to_owned(),
            what: what.to_owned(),
            shape,
            error,
            bound,
            passed: error <= bound, // false for NaN
        };
        (self.on_row)(&row);
        self.rows.push(row);
    }
}

/// All values of a tensor, row-major, in the host's memory.
pub(super) fn values_of(x: &Tensor) -> Result<Vec<f64>> {
    x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}
