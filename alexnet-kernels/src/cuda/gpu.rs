//! What one operation needs of a GPU: the memory of tensors as spans, new memory, launches.

use std::sync::Arc;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda::cudarc::driver::{CudaStream, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::cuda::{CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{CudaStorage, DType, Result, Shape, bail};

use super::launch::{Argument, Launch, Span, Storage};
use crate::op::{Input, Outputs};

/// A device and its stream, in which all work on the memory of its tensors is queued. Releasing
/// memory is queued there too, so memory may be released as soon as all that uses it is queued.
pub(crate) struct Gpu {
    pub(crate) device: CudaDevice,
    pub(crate) stream: Arc<CudaStream>,
}

/// Memory of activations or gradients that an operation reads.
pub(crate) struct Reading {
    pub(crate) span: Span,
    pub(crate) storage: Storage,
}

/// New memory, which a kernel has still to write. It lives until the launches over its span are
/// queued.
pub(crate) struct Uninit {
    pub(crate) span: Span,
    memory: CudaStorage,
    shape: Shape,
}

impl Uninit {
    /// The memory as an operation's output, after the kernels that write it were queued.
    pub(crate) fn output(self) -> (CudaStorage, Shape) {
        (self.memory, self.shape)
    }
}

impl Gpu {
    pub(crate) fn new(device: &CudaDevice) -> Self {
        Self { device: device.clone(), stream: device.cuda_stream() }
    }

    pub(crate) fn of(storage: &CudaStorage) -> Self {
        Self::new(storage.device())
    }

    /// Where the elements of `memory` in a range are.
    fn span(&self, memory: &CudaStorage, (start, end): (usize, usize)) -> Result<Span> {
        let (first, _) = match &memory.slice {
            CudaStorageSlice::U8(x) => x.device_ptr(&self.stream),
            CudaStorageSlice::U32(x) => x.device_ptr(&self.stream),
            CudaStorageSlice::F32(x) => x.device_ptr(&self.stream),
            CudaStorageSlice::BF16(x) => x.device_ptr(&self.stream),
            _ => bail!("no kernel takes {:?}", memory.dtype()),
        };
        let address = first + (start * memory.dtype().size_in_bytes()) as u64;
        Ok(Span { address, length: (end - start) as u64 })
    }

    /// The memory of activations or gradients, f32 or bf16.
    pub(crate) fn read(&self, x: &Input<'_, CudaStorage>) -> Result<Reading> {
        let storage = Storage::of(x.storage.dtype())?;
        Ok(Reading { span: self.span(x.storage, x.dense_range()?)?, storage })
    }

    /// The memory of elements that have one type everywhere: pixels, labels, biases.
    pub(crate) fn read_as(&self, dtype: DType, x: &Input<'_, CudaStorage>) -> Result<Span> {
        if x.storage.dtype() != dtype {
            bail!("{}: expected {dtype:?}, got {:?}", x.op, x.storage.dtype())
        }
        self.span(x.storage, x.dense_range()?)
    }

    /// New memory for a tensor.
    pub(crate) fn uninit(
        &self,
        dtype: impl Into<DType>,
        shape: impl Into<Shape>,
    ) -> Result<Uninit> {
        let shape = shape.into();
        // SAFETY: every operation here passes new memory to a kernel that writes all of it before
        // anything reads it.
        let memory = unsafe { self.device.alloc_uninit(&shape, dtype.into())? };
        Ok(Uninit { span: self.span(&memory, (0, shape.elem_count()))?, memory, shape })
    }

    /// Queues a kernel in the stream.
    pub(crate) fn run(&self, launch: &Launch) -> Result<()> {
        let (module, ptx) = (format!("alexnet-{}", launch.module), ptx(launch.module)?);
        let kernel = self.device.get_or_load_custom_func(&launch.kernel, &module, ptx)?;
        let mut builder = kernel.builder();
        for argument in &launch.arguments {
            match argument {
                Argument::Span(span) => builder.arg(&span.address),
                Argument::U32(x) => builder.arg(x),
                Argument::I32(x) => builder.arg(x),
                Argument::F32(x) => builder.arg(x),
            };
        }
        let ([x, y], block_dim) = (launch.grid, (launch.block, 1, 1));
        let config = LaunchConfig { grid_dim: (x, y, 1), block_dim, shared_mem_bytes: 0 };
        // SAFETY: `launch.rs` of the operation lists the arguments in the kernel's order and checks
        // that each span is as long as the kernel assumes, which the tests that run the launches on
        // the host verify with checked accesses; the callers keep the memory of the spans alive.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    /// New activations of `shape`, which the kernels that `write` queues for their span write.
    pub(crate) fn produce(
        &self,
        storage: Storage,
        shape: impl Into<Shape>,
        write: impl FnOnce(Span) -> Result<()>,
    ) -> Result<Outputs<CudaStorage>> {
        let output = self.uninit(storage, shape)?;
        write(output.span)?;
        Ok(output.output().into())
    }
}

/// An output with the storage and the shape of `x`, written by one launch over `[x, output]`.
pub(crate) fn unary(
    x: &Input<'_, CudaStorage>,
    launch: impl FnOnce(Storage, [Span; 2]) -> Result<Launch>,
) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let x = gpu.read(x)?;
    gpu.produce(x.storage, shape, |y| gpu.run(&launch(x.storage, [x.span, y])?))
}

/// An output with the storage and the shape of `x`, written by one launch over `[x, dy, output]`.
pub(crate) fn binary(
    [x, dy]: [&Input<'_, CudaStorage>; 2],
    launch: impl FnOnce(Storage, [Span; 3]) -> Result<Launch>,
) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    same("the gradient", x.storage, dy.storage)?;
    gpu.produce(x.storage, shape, |dx| gpu.run(&launch(x.storage, [x.span, dy.span, dx])?))
}

/// Loads one kernel, so that a driver that cannot load this PTX says so when the GPU is opened.
pub(crate) fn check_kernels(device: &CudaDevice) -> Result<()> {
    device.get_or_load_custom_func("bias_float_v1", "alexnet-bias", ptx("bias")?).map(|_| ())
}

fn ptx(module: &str) -> Result<&'static str> {
    match PTX.iter().find(|(name, _)| *name == module) {
        Some((_, ptx)) => Ok(ptx),
        None => bail!("there is no kernel file {module}"),
    }
}

/// The `.cu` files as `build.rs` compiled them: name and PTX.
const PTX: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/ptx.rs"));

/// Refuses operands of different storage.
pub(crate) fn same(what: &str, expected: Storage, got: Storage) -> Result<Storage> {
    if expected != got {
        bail!("{what} must be stored as the rest, {expected:?}, got {got:?}")
    }
    Ok(expected)
}
