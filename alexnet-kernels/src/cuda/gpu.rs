//! What one operation needs of a GPU: the memory of tensors as spans, new memory, launches.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg,
    SyncOnDrop,
};
use candle_core::cuda::{CudaDType, CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{CudaStorage, Result, Shape, bail};
use half::bf16;

use super::launch::{Argument, Launch, Span, Storage};
use crate::op::{Input, Outputs};

/// A device and its stream.
pub(crate) struct Gpu {
    pub(crate) device: CudaDevice,
    pub(crate) stream: Arc<CudaStream>,
}

/// Memory that an operation reads. cudarc takes it to be in use until this is dropped.
pub(crate) struct Reading<'a> {
    pub(crate) span: Span,
    pub(crate) storage: Storage,
    _until: SyncOnDrop<'a>,
}

/// Memory that an operation writes. cudarc takes it to be in use until this is dropped.
pub(crate) struct Writing<'a> {
    pub(crate) span: Span,
    _until: SyncOnDrop<'a>,
}

/// Memory for new activations, which a kernel has still to write.
pub(crate) enum Uninit {
    F32(CudaSlice<f32>),
    Bf16(CudaSlice<bf16>),
}

/// The elements of `slice` in the range that a dense layout covers.
fn part<'a, T>(
    slice: &'a CudaSlice<T>,
    (start, end): (usize, usize),
    stream: &'a CudaStream,
) -> (Span, SyncOnDrop<'a>) {
    let (address, until) = slice.device_ptr(stream);
    let address = address + (start * size_of::<T>()) as u64;
    (Span { address, length: (end - start) as u64 }, until)
}

impl Gpu {
    pub(crate) fn of(storage: &CudaStorage) -> Self {
        let device = storage.device().clone();
        let stream = device.cuda_stream();
        Self { device, stream }
    }

    /// The memory of activations or gradients, f32 or bf16.
    pub(crate) fn read<'a>(&'a self, x: &Input<'a, CudaStorage>) -> Result<Reading<'a>> {
        let range = x.dense_range()?;
        let ((span, _until), storage) = match &x.storage.slice {
            CudaStorageSlice::F32(x) => (part(x, range, &self.stream), Storage::F32),
            CudaStorageSlice::BF16(x) => (part(x, range, &self.stream), Storage::Bf16),
            _ => bail!("{}: on a GPU, expected f32 or bf16, got {:?}", x.op, x.storage.dtype()),
        };
        Ok(Reading { span, storage, _until })
    }

    /// The memory of elements that have one type everywhere: pixels, labels, biases.
    pub(crate) fn read_as<'a, T: CudaDType + 'a>(
        &'a self,
        x: &Input<'a, CudaStorage>,
    ) -> Result<(Span, SyncOnDrop<'a>)> {
        Ok(part(x.storage.as_cuda_slice::<T>()?, x.dense_range()?, &self.stream))
    }

    /// New memory for `n` activations.
    pub(crate) fn uninit(&self, storage: Storage, n: usize) -> Result<Uninit> {
        Ok(match storage {
            Storage::F32 => Uninit::F32(self.uninit_as(n)?),
            Storage::Bf16 => Uninit::Bf16(self.uninit_as(n)?),
        })
    }

    /// New memory for `n` elements of type `T`.
    pub(crate) fn uninit_as<T: DeviceRepr>(&self, n: usize) -> Result<CudaSlice<T>> {
        // SAFETY: every operation here passes new memory to a kernel that writes all of it before
        // anything reads it.
        unsafe { self.device.alloc::<T>(n) }
    }

    /// New memory as a span that a kernel may write.
    pub(crate) fn write<'a, T>(&'a self, slice: &'a mut CudaSlice<T>) -> Writing<'a> {
        let length = slice.len() as u64;
        let (address, _until) = slice.device_ptr_mut(&self.stream);
        Writing { span: Span { address, length }, _until }
    }

    /// Queues a kernel in the stream.
    pub(crate) fn run(&self, launch: &Launch) -> Result<()> {
        let Some((_, ptx)) = PTX.iter().find(|(module, _)| *module == launch.module) else {
            bail!("there is no kernel file {}", launch.module)
        };
        let module = format!("alexnet-{}", launch.module);
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
        let [x, y] = launch.grid;
        let config = LaunchConfig {
            grid_dim: (x, y, 1),
            block_dim: (launch.block, 1, 1),
            shared_mem_bytes: 0,
        };
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
        let shape = shape.into();
        let mut output = self.uninit(storage, shape.elem_count())?;
        write(output.writing(self).span)?;
        Ok((output.finish(self), shape).into())
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

impl Uninit {
    pub(crate) fn writing<'a>(&'a mut self, gpu: &'a Gpu) -> Writing<'a> {
        match self {
            Self::F32(slice) => gpu.write(slice),
            Self::Bf16(slice) => gpu.write(slice),
        }
    }

    pub(crate) fn finish(self, gpu: &Gpu) -> CudaStorage {
        match self {
            Self::F32(slice) => CudaStorage::wrap_cuda_slice(slice, gpu.device.clone()),
            Self::Bf16(slice) => CudaStorage::wrap_cuda_slice(slice, gpu.device.clone()),
        }
    }
}

/// Loads one kernel, so that a driver that cannot load this PTX says so when the GPU is opened.
pub(crate) fn check_kernels(device: &CudaDevice) -> Result<()> {
    let Some((module, ptx)) = PTX.iter().find(|(module, _)| *module == "bias") else {
        return Ok(());
    };
    device.get_or_load_custom_func("bias_float_v1", &format!("alexnet-{module}"), ptx).map(|_| ())
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
