//! A card while one operation runs on it: the memory of tensors as spans, new memory, launches.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg,
    SyncOnDrop,
};
use candle_core::cuda::{CudaDType, CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{CudaStorage, Layout, Result, bail};
use half::bf16;

use crate::launch::{Argument, Launch, Span, Storage};

/// A device and its stream.
pub(super) struct Card {
    pub(super) device: CudaDevice,
    pub(super) stream: Arc<CudaStream>,
}

/// Memory that an operation reads; the driver knows of the use until this is dropped.
pub(super) struct Reading<'a> {
    pub(super) span: Span,
    pub(super) storage: Storage,
    _until: SyncOnDrop<'a>,
}

/// Memory that an operation writes.
pub(super) struct Writing<'a> {
    pub(super) span: Span,
    _until: SyncOnDrop<'a>,
}

/// New activations, not written yet.
pub(super) enum Fresh {
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

impl Card {
    pub(super) fn of(storage: &CudaStorage) -> Self {
        let device = storage.device().clone();
        let stream = device.cuda_stream();
        Self { device, stream }
    }

    /// Activations or gradients, f32 or bf16.
    pub(super) fn read<'a>(
        &'a self,
        op: &'static str,
        storage: &'a CudaStorage,
        layout: &Layout,
    ) -> Result<Reading<'a>> {
        let range = dense(op, layout)?;
        let ((span, _until), storage) = match &storage.slice {
            CudaStorageSlice::F32(x) => (part(x, range, &self.stream), Storage::F32),
            CudaStorageSlice::BF16(x) => (part(x, range, &self.stream), Storage::Bf16),
            _ => bail!("{op}: on a card, expected f32 or bf16, got {:?}", storage.dtype()),
        };
        Ok(Reading { span, storage, _until })
    }

    /// Elements of one type: pixels, labels, means.
    pub(super) fn read_as<'a, T: CudaDType + 'a>(
        &'a self,
        op: &'static str,
        storage: &'a CudaStorage,
        layout: &Layout,
    ) -> Result<(Span, SyncOnDrop<'a>)> {
        Ok(part(storage.as_cuda_slice::<T>()?, dense(op, layout)?, &self.stream))
    }

    /// Memory for `n` activations.
    pub(super) fn fresh(&self, storage: Storage, n: usize) -> Result<Fresh> {
        Ok(match storage {
            Storage::F32 => Fresh::F32(self.fresh_as(n)?),
            Storage::Bf16 => Fresh::Bf16(self.fresh_as(n)?),
        })
    }

    /// Memory for `n` elements of any kind.
    pub(super) fn fresh_as<T: DeviceRepr>(&self, n: usize) -> Result<CudaSlice<T>> {
        // SAFETY: every operation here hands new memory to a kernel that writes all of it before anything reads it.
        unsafe { self.device.alloc::<T>(n) }
    }

    /// The same as a span.
    pub(super) fn write<'a, T>(&'a self, slice: &'a mut CudaSlice<T>) -> Writing<'a> {
        let length = slice.len() as u64;
        let (address, _until) = slice.device_ptr_mut(&self.stream);
        Writing { span: Span { address, length }, _until }
    }

    /// Puts a kernel into the stream.
    pub(super) fn run(&self, launch: &Launch) -> Result<()> {
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

    pub(super) fn run_all(&self, launches: &[Launch]) -> Result<()> {
        launches.iter().try_for_each(|launch| self.run(launch))
    }

    /// New activations that `launches` of their span write.
    pub(super) fn produce(
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
    pub(super) fn writing<'a>(&'a mut self, card: &'a Card) -> Writing<'a> {
        match self {
            Self::F32(slice) => card.write(slice),
            Self::Bf16(slice) => card.write(slice),
        }
    }

    pub(super) fn finish(self, card: &Card) -> CudaStorage {
        match self {
            Self::F32(slice) => CudaStorage::wrap_cuda_slice(slice, card.device.clone()),
            Self::Bf16(slice) => CudaStorage::wrap_cuda_slice(slice, card.device.clone()),
        }
    }
}

/// Loads one kernel: a driver that cannot read these says so here and not in the first step.
pub(super) fn check_kernels(device: &CudaDevice) -> Result<()> {
    let Some((module, ptx)) = PTX.first() else { return Ok(()) };
    device.get_or_load_custom_func("bias_float_v1", &format!("alexnet-{module}"), ptx).map(|_| ())
}

/// The files of `cuda/` as the build compiled them.
const PTX: [(&str, &str); 8] = [
    ("bias", include_str!(concat!(env!("OUT_DIR"), "/bias.ptx"))),
    ("input", include_str!(concat!(env!("OUT_DIR"), "/input.ptx"))),
    ("loss", include_str!(concat!(env!("OUT_DIR"), "/loss.ptx"))),
    ("lrn", include_str!(concat!(env!("OUT_DIR"), "/lrn.ptx"))),
    ("map_norm", include_str!(concat!(env!("OUT_DIR"), "/map_norm.ptx"))),
    ("max_pool", include_str!(concat!(env!("OUT_DIR"), "/max_pool.ptx"))),
    ("relu", include_str!(concat!(env!("OUT_DIR"), "/relu.ptx"))),
    ("sgd", include_str!(concat!(env!("OUT_DIR"), "/sgd.ptx"))),
];
