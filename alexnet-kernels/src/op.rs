//! The one adaptor from the operations of this crate to candle's custom ops.
//!
//! candle has a trait for each number of inputs (`CustomOp1`, `CustomOp2`, `CustomOp3`), whose
//! methods take a storage and a layout for each input and give one output. An operation here
//! implements [`Op`] for its number of inputs and may give two outputs; [`Apply`] runs it on
//! tensors.

use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage};
use candle_core::{Tensor, WithDType, bail};

use crate::cpu::scratch::uninit;

/// One input of an operation: its memory, and where in it the elements are.
pub(crate) struct Input<'a, S> {
    /// The operation's name, for error messages.
    pub(crate) op: &'static str,
    pub(crate) storage: &'a S,
    pub(crate) layout: &'a Layout,
}

impl<S> Input<'_, S> {
    pub(crate) fn shape(&self) -> &Shape {
        self.layout.shape()
    }

    /// The range of the elements in the storage; an error for strided layouts.
    pub(crate) fn dense_range(&self) -> Result<(usize, usize)> {
        let strided = || candle_core::Error::RequiresContiguous { op: self.op }.bt();
        self.layout.contiguous_offsets().ok_or_else(strided)
    }
}

impl<'a> Input<'a, CpuStorage> {
    /// The elements; an error for other dtypes and for strided layouts.
    pub(crate) fn values<T: WithDType>(&self) -> Result<&'a [T]> {
        let (start, end) = self.dense_range()?;
        Ok(&self.storage.as_slice::<T>()?[start..end])
    }
}

/// The outputs of an operation: one, or two.
pub(crate) struct Outputs<S> {
    first: (S, Shape),
    second: Option<(S, Shape)>,
}

impl<S> Outputs<S> {
    /// The first output and a second one.
    pub(crate) fn and(self, second: (S, Shape)) -> Self {
        Self { second: Some(second), ..self }
    }

    /// The first output, and as the second what `make` makes of it.
    pub(crate) fn with_second(
        self,
        op: &'static str,
        make: impl FnOnce(Input<'_, S>) -> Result<(S, Shape)>,
    ) -> Result<Self> {
        let (storage, shape) = &self.first;
        let layout = Layout::contiguous(shape);
        let second = make(Input { op, storage, layout: &layout })?;
        Ok(self.and(second))
    }

    /// What `next` makes of the first output; `op` is the operation that is built of both.
    pub(crate) fn pass_to<R>(
        self,
        op: &'static str,
        next: impl FnOnce(Input<'_, S>) -> Result<R>,
    ) -> Result<R> {
        let (storage, shape) = self.first;
        next(Input { op, storage: &storage, layout: &Layout::contiguous(shape) })
    }
}

impl<S> From<(S, Shape)> for Outputs<S> {
    fn from(first: (S, Shape)) -> Self {
        Self { first, second: None }
    }
}

pub(crate) type CpuInputs<'a, const N: usize> = [Input<'a, CpuStorage>; N];
pub(crate) type CpuOutputs = Outputs<CpuStorage>;
#[cfg(feature = "cuda")]
pub(crate) type CudaInputs<'a, const N: usize> = [Input<'a, CudaStorage>; N];
#[cfg(feature = "cuda")]
pub(crate) type CudaOutputs = Outputs<CudaStorage>;

/// Gradients with respect to the inputs of an operation.
pub(crate) type Grads<const N: usize> = [Option<Tensor>; N];

/// An operation on `N` inputs. They must be dense (contiguous), unless the operation says
/// otherwise.
pub(crate) trait Op<const N: usize>: Send + Sync + 'static {
    /// Its name in error messages.
    const NAME: &'static str;

    fn cpu(&self, inputs: CpuInputs<'_, N>) -> Result<CpuOutputs>;

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: CudaInputs<'_, N>) -> Result<CudaOutputs>;

    /// The gradients with respect to the inputs, given `dy`, the gradient with respect to the
    /// output `y`. candle calls this for outputs of [`Apply::apply`].
    fn gradients(&self, _inputs: [&Tensor; N], _y: &Tensor, _dy: &Tensor) -> Result<Grads<N>> {
        bail!("{}: candle cannot differentiate this operation", Self::NAME)
    }
}

/// Runs an operation on tensors.
pub(crate) trait Apply<const N: usize>: Op<N> + Sized {
    /// The first output, through which candle can differentiate.
    fn apply(self, inputs: [&Tensor; N]) -> Result<Tensor>;

    /// The outputs, which candle cannot differentiate.
    fn run(self, inputs: [&Tensor; N]) -> Result<(Tensor, Option<Tensor>)>;

    /// The first output, which candle cannot differentiate.
    fn run_one(self, inputs: [&Tensor; N]) -> Result<Tensor> {
        Ok(self.run(inputs)?.0)
    }

    /// Both outputs, which candle cannot differentiate.
    fn run_two(self, inputs: [&Tensor; N]) -> Result<(Tensor, Tensor)> {
        match self.run(inputs)? {
            (first, Some(second)) => Ok((first, second)),
            _ => bail!("{}: a second output is missing", Self::NAME),
        }
    }
}

/// An operation as candle's custom op. candle takes one output; a second one is kept here.
struct Adaptor<O> {
    op: O,
    second: OnceLock<(Storage, Shape)>,
}

impl<O> Adaptor<O> {
    fn new(op: O) -> Self {
        Self { op, second: OnceLock::new() }
    }

    fn keep_second<S>(&self, outputs: Outputs<S>, storage: fn(S) -> Storage) -> (S, Shape) {
        if let Some((second, shape)) = outputs.second {
            _ = self.second.set((storage(second), shape));
        }
        outputs.first
    }

    fn into_second(self) -> Option<Tensor> {
        let (storage, shape) = self.second.into_inner()?;
        Some(Tensor::from_storage(storage, shape, BackpropOp::none(), false))
    }
}

/// The three implementations, which differ only in the number of inputs.
macro_rules! adapt {
    (
        $count:literal, $custom_op:ident, $apply:ident, $apply_no_bwd:ident, $grads:ty,
        $(($s:ident $l:ident $x:ident)),+
    ) => {
        impl<O: Op<$count>> $custom_op for Adaptor<O> {
            fn name(&self) -> &'static str {
                O::NAME
            }

            fn cpu_fwd(&self, $($s: &CpuStorage, $l: &Layout),+) -> Result<(CpuStorage, Shape)> {
                let inputs = [$(Input { op: O::NAME, storage: $s, layout: $l }),+];
                Ok(self.keep_second(self.op.cpu(inputs)?, Storage::Cpu))
            }

            #[cfg(feature = "cuda")]
            fn cuda_fwd(&self, $($s: &CudaStorage, $l: &Layout),+) -> Result<(CudaStorage, Shape)> {
                let inputs = [$(Input { op: O::NAME, storage: $s, layout: $l }),+];
                Ok(self.keep_second(self.op.cuda(inputs)?, Storage::Cuda))
            }

            fn bwd(&self, $($x: &Tensor),+, y: &Tensor, dy: &Tensor) -> Result<$grads> {
                let [$($s),+] = self.op.gradients([$($x),+], y, &dy.contiguous()?)?;
                Ok(($($s),+))
            }
        }

        impl<O: Op<$count>> Apply<$count> for O {
            fn apply(self, [$($x),+]: [&Tensor; $count]) -> Result<Tensor> {
                Tensor::$apply($($x),+, Adaptor::new(self))
            }

            fn run(self, [$($x),+]: [&Tensor; $count]) -> Result<(Tensor, Option<Tensor>)> {
                let op = Adaptor::new(self);
                Ok((Tensor::$apply_no_bwd($($x),+, &op)?, op.into_second()))
            }
        }
    };
}

type Grad = Option<Tensor>;
adapt!(1, CustomOp1, apply_op1, apply_op1_no_bwd, Grad, (s l x));
adapt!(2, CustomOp2, apply_op2, apply_op2_no_bwd, (Grad, Grad), (s1 l1 x1), (s2 l2 x2));
adapt!(
    3, CustomOp3, apply_op3, apply_op3_no_bwd, (Grad, Grad, Grad),
    (s1 l1 x1), (s2 l2 x2), (s3 l3 x3)
);

/// The only output of an operation on the CPU: f32 of `shape`, written by `kernel`. The memory is
/// not cleared first, so `kernel` writes every element before it reads any.
pub(crate) fn produce(
    shape: impl Into<Shape>,
    kernel: impl FnOnce(&mut [f32]) -> Result<()>,
) -> Result<Outputs<CpuStorage>> {
    let shape = shape.into();
    // SAFETY: `kernel` writes every element before it reads any, and if it fails, the output is
    // dropped.
    let mut values = unsafe { uninit(shape.elem_count())? };
    kernel(&mut values)?;
    Ok((CpuStorage::F32(values), shape).into())
}
