//! Whether a device computes what it should: every operation against its formula in f64, a training step against
//! candle's own differentiation on the processor, and the same step twice against itself.

mod bounds;
mod dense;
mod ends;
mod maps;
mod step;

use alexnet_kernels::reference::Array;
use alexnet_kernels::{Compute, DeviceName, DeviceOptions, Precision};
use candle_core::{DType, Device, Result, Tensor};
use serde::Serialize;

use crate::Error;

/// What to test.
#[derive(Debug, Clone)]
pub struct SelftestOptions {
    /// Where.
    pub device: DeviceName,
    /// How precisely; each in turn.
    pub precisions: Vec<Precision>,
    /// Only algorithms that give the same bits each time; that they do is then tested too.
    pub deterministic: bool,
    /// Operations whose results are made wrong by 3 % (a step's by half) before they are looked at: a test that does not
    /// see it is none.
    pub spoil: Vec<String>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelftestRow {
    /// `f32`, `tf32`, `bf16`.
    pub precision: String,
    /// The operation.
    pub operation: String,
    /// What of it: `y`, `dx`, `dw`, `db` …
    pub what: String,
    /// The sizes.
    pub shape: String,
    /// The largest error over the largest value wanted; for a training step, the length of all errors over that of all
    /// values.
    pub error: f64,
    /// What rounding explains.
    pub bound: f64,
    /// Whether the error is within it.
    pub passed: bool,
}

/// Runs all tests; `watch` hears of each comparison.
///
/// # Errors
///
/// A device that cannot be opened, or is lost; what an operation refuses. A result that is wrong is no error but a row.
pub fn selftest(
    options: &SelftestOptions,
    watch: &mut dyn FnMut(&SelftestRow),
) -> std::result::Result<Vec<SelftestRow>, Error> {
    let mut rows = Vec::new();
    for &precision in &options.precisions {
        let wanted = DeviceOptions { precision, deterministic: options.deterministic };
        let compute = Compute::open(options.device, wanted)?;
        let mut bench = Bench { compute, options, rows: &mut rows, watch };
        maps::test(&mut bench)?;
        dense::test(&mut bench)?;
        ends::test(&mut bench)?;
        step::test(&mut bench)?;
    }
    Ok(rows)
}

/// A device under test, and what was found.
struct Bench<'a> {
    compute: Compute,
    options: &'a SelftestOptions,
    rows: &'a mut Vec<SelftestRow>,
    watch: &'a mut dyn FnMut(&SelftestRow),
}

impl Bench<'_> {
    fn precision(&self) -> Precision {
        self.compute.options().precision
    }

    /// Random activations or weights of `dims`: what the device gets, and the same numbers for the oracle.
    fn random(&self, dims: &[usize], stream: u32) -> Result<(Tensor, Array)> {
        self.stored(&Array::random(dims, stream))
    }

    /// `x` rounded to the precision, and stored as activations are, on the device, and the same numbers for the oracle;
    /// rank 4 channels-last.
    fn stored(&self, x: &Array) -> Result<(Tensor, Array)> {
        self.put(x, self.compute.activations())
    }

    /// Random weights of a dense layer.
    fn dense_weights(&self, dims: &[usize], stream: u32) -> Result<(Tensor, Array)> {
        self.put(&Array::random(dims, stream), self.compute.weights())
    }

    /// The same of numbers that stay f32: biases, means.
    fn exact(&self, x: &Array) -> Result<(Tensor, Array)> {
        self.put(x, DType::F32)
    }

    fn put(&self, x: &Array, dtype: DType) -> Result<(Tensor, Array)> {
        let values: Vec<f32> = x.values.iter().map(|x| *x as f32).collect();
        let tensor = Tensor::from_vec(values, &x.dims[..], &Device::Cpu)?;
        let last = tensor.rank() == 4;
        let rows = if last { tensor.permute((0, 2, 3, 1))?.contiguous()? } else { tensor };
        // What the processor stores in f32 it may round where it multiplies: the oracle is not to see that.
        let short =
            if dtype == self.compute.activations() { self.compute.weights() } else { dtype };
        let rows = rows.to_dtype(short)?.to_dtype(dtype)?;
        let back = |x: &Tensor| if last { x.permute((0, 3, 1, 2)) } else { Ok(x.clone()) };
        let array = Array { dims: x.dims.clone(), values: values_of(&back(&rows)?)? };
        Ok((back(&rows.to_device(self.compute.device())?)?, array))
    }

    /// Compares, element by element, what the device gave with what the oracle wants.
    fn compare(
        &mut self,
        operation: &str,
        what: &str,
        got: &Tensor,
        want: &Array,
        bound: f64,
    ) -> Result<()> {
        let mut values = values_of(got)?;
        self.spoil(operation, &mut values);
        let error = if got.dims() == want.dims {
            bounds::largest(&values, &want.values)
        } else {
            f64::INFINITY
        };
        let shape = want.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        self.found(operation, what, shape, error, bound);
        Ok(())
    }

    fn spoil(&self, operation: &str, values: &mut [f64]) {
        if self.options.spoil.iter().any(|name| name == operation) {
            // A step's bounds are wider than an operation's.
            let factor = if operation.ends_with("step") { 1.5 } else { 1.03 };
            values.iter_mut().for_each(|x| *x *= factor);
        }
    }

    fn found(&mut self, operation: &str, what: &str, shape: String, error: f64, bound: f64) {
        let row = SelftestRow {
            precision: self.precision().to_string(),
            operation: operation.to_owned(),
            what: what.to_owned(),
            shape,
            error,
            bound,
            passed: error <= bound, // not so of NaN
        };
        (self.watch)(&row);
        self.rows.push(row);
    }
}

/// All values of a tensor, row-major, in the host's memory.
fn values_of(x: &Tensor) -> Result<Vec<f64>> {
    x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}
