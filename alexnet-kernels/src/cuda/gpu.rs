//! A card while one operation runs on it: the memory of tensors as spans, new memory, launches.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg,
    SyncOnDrop,
};
use candle_core::cuda::{CudaDType, CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{CpuStorage, CudaStorage, Layout, Result, Shape, bail};
use half::bf16;

use super::launch::{Argument, Launch, Span, Storage};

/// A device and its stream.
pub(crate) struct Gpu {
    pub(crate) device: CudaDevice,
    pub(crate) stream: Arc<CudaStream>,
}

/// Memory that an operation reads; the driver knows of the use until this is dropped.
pub(crate) struct Reading<'a> {
    pub(crate) span: Span,
    pub(crate) storage: Storage,
    _until: SyncOnDrop<'a>,
}

/// Memory that an operation writes.
pub(crate) struct Writing<'a> {
    pub(crate) span: Span,
    _until: SyncOnDrop<'a>,
}

/// New activations, not written yet.
pub(crate) enum Fresh {
    F32(CudaSlice<f32>),
    Bf16(CudaSlice<bf16>),
}

/// The elements of `slice` that a dense layout covers.
fn part<'a, T>(
    slice: &'a CudaSlice<T>,
    (start, end): (usize, usize),
    stream: &'a CudaStream,
) -> (Span, SyncOnDrop<'a>) {
    let (address, until) = slice.device_ptr(stream);
    let address = address + (start * size_of::<T>()) as u64;
    (Span { address, length: (end - start) as u64 }, until)
}

fn dense(op: &'static str, layout: &Layout) -> Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(range) => Ok(range),
        None => Err(candle_core::Error::RequiresContiguous { op }.bt()),
    }
}

impl Gpu {
    pub(crate) fn of(storage: &CudaStorage) -> Self {
        let device = storage.device().clone();
        let stream = device.cuda_stream();
        Self { device, stream }
    }

    /// Activations or gradients, f32 or bf16.
    pub(crate) fn read<'a>(
        &'a self,
        op: &'static str,
        storage: &'a CudaStorage,
        layout: &Layout,
    ) -> Result<Reading<'a>> {
        let range = dense(op, layout)?;
        let ((span, _until), storage) = match &storage.slice {
            CudaStorageSlice::F32(x) => (part(x, range, &self.stream), Storage::F32),
            CudaStorageSlice::BF16(x) => (part(x, range, &self.stream), Storage::Bf16),
            _ => bail!("{op}: on a gpu, expected f32 or bf16, got {:?}", storage.dtype()),
        };
        Ok(Reading { span, storage, _until })
    }

    /// Elements of one type: pixels, labels, means.
    pub(crate) fn read_as<'a, T: CudaDType + 'a>(
        &'a self,
        op: &'static str,
        storage: &'a CudaStorage,
        layout: &Layout,
    ) -> Result<(Span, SyncOnDrop<'a>)> {
        Ok(part(storage.as_cuda_slice::<T>()?, dense(op, layout)?, &self.stream))
    }

    /// Memory for `n` activations.
    pub(crate) fn fresh(&self, storage: Storage, n: usize) -> Result<Fresh> {
        Ok(match storage {
            Storage::F32 => Fresh::F32(self.fresh_as(n)?),
            Storage::Bf16 => Fresh::Bf16(self.fresh_as(n)?),
        })
    }

    /// Memory for `n` elements of any kind.
    pub(crate) fn fresh_as<T: DeviceRepr>(&self, n: usize) -> Result<CudaSlice<T>> {
        // SAFETY: every operation here hands new memory to a kernel that writes all of it before anything reads it.
        unsafe { self.device.alloc::<T>(n) }
    }

    /// The same as a span.
    pub(crate) fn write<'a, T>(&'a self, slice: &'a mut CudaSlice<T>) -> Writing<'a> {
        let length = slice.len() as u64;
        let (address, _until) = slice.device_ptr_mut(&self.stream);
        Writing { span: Span { address, length }, _until }
    }

    /// Puts a kernel into the stream.
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
        // SAFETY: `launch.rs` lists the arguments in the kernel's order and checks that each span is as long as the
        // kernel assumes; the spans are of live memory, which the callers hold. The tests of the launches on the
        // host, with checked accesses, hold both.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    pub(crate) fn run_all(&self, launches: &[Launch]) -> Result<()> {
        launches.iter().try_for_each(|launch| self.run(launch))
    }

    /// New activations that `launches` of their span write.
    pub(crate) fn produce(
        &self,
        storage: Storage,
        n: usize,
        launches: impl FnOnce(Span) -> Result<Vec<Launch>>,
    ) -> Result<CudaStorage> {
        let mut fresh = self.fresh(storage, n)?;
        let writing = fresh.writing(self);
        self.run_all(&launches(writing.span)?)?;
        drop(writing);
        Ok(fresh.finish(self))
    }
}

impl Fresh {
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

/// Loads one kernel: a driver that cannot read these says so here and not in the first step.
pub(crate) fn check_kernels(device: &CudaDevice) -> Result<()> {
    let Some((module, ptx)) = PTX.iter().find(|(module, _)| *module == "bias") else {
        return Ok(());
    };
    device.get_or_load_custom_func("bias_float_v1", &format!("alexnet-{module}"), ptx).map(|_| ())
}

/// The kernels' files as the build compiled them: name and PTX.
const PTX: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/ptx.rs"));

/// Refuses operands that are not stored alike.
pub(crate) fn same(what: &str, expected: Storage, got: Storage) -> Result<Storage> {
    if expected != got {
        bail!("{what} must be stored as the rest, {expected:?}, got {got:?}")
    }
    Ok(expected)
}

/// What an operation that only GPUs have answers on the processor.
pub(crate) fn not_here(op: &'static str) -> Result<(CpuStorage, Shape)> {
    bail!("{op}: this is the GPU's way; the processor has its own")
}
