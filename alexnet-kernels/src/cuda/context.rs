//! What a GPU keeps between operations: the libraries' handles, one workspace, the algorithms
//! chosen so far.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::cuda::cudarc::driver::CudaSlice;
use candle_core::cuda::cudarc::{cublaslt, cudnn};
use candle_core::cuda::{CudaDevice, DeviceId, WrapErr};
use candle_core::{Result, bail};

use super::gpu::Gpu;
use super::launch::Span;
use crate::device::error::{DeviceError, is_out_of_memory};
use crate::device::name::DeviceName;
use crate::device::precision::DeviceOptions;

/// The context of one device. Its lock is held while an operation is queued.
pub(crate) struct CudaContext {
    pub(crate) options: DeviceOptions,
    pub(crate) cudnn: cudnn::sys::cudnnHandle_t,
    pub(crate) blas: cublaslt::sys::cublasLtHandle_t,
    /// The plans made so far: for each type of key, a map from keys to plans.
    plans: HashMap<TypeId, Box<dyn Any + Send>>,
    workspace: Option<CudaSlice<u8>>,
}

// SAFETY: both libraries let any thread use a handle as long as only one does at a time, which the
// mutex around it ensures; the driver's context is bound to the thread before each use.
unsafe impl Send for CudaContext {}

impl Drop for CudaContext {
    fn drop(&mut self) {
        // SAFETY: both handles were created with this value and nothing else uses them.
        unsafe {
            let _ = cudnn::result::destroy_handle(self.cudnn);
            let _ = cublaslt::result::destroy_handle(self.blas);
        }
    }
}

static ALL: Mutex<Option<HashMap<DeviceId, Arc<Mutex<CudaContext>>>>> = Mutex::new(None);

fn all() -> MutexGuard<'static, Option<HashMap<DeviceId, Arc<Mutex<CudaContext>>>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates the context of a GPU that was just opened.
pub(crate) fn register(
    gpu: &CudaDevice,
    name: DeviceName,
    options: DeviceOptions,
) -> std::result::Result<(), DeviceError> {
    let library = |library, reason: String| DeviceError::Library { name, library, reason };
    let stream = gpu.cuda_stream();
    let bound = stream.context().bind_to_thread();
    bound.map_err(|e| DeviceError::Driver { name, reason: format!("the driver says {e:?}") })?;
    let blas = cublaslt::result::create_handle()
        .map_err(|e| library("cuBLASLt (libcublasLt.so)", format!("{:?}", e.0)))?;
    let cudnn = cudnn::result::create_handle()
        .map_err(|e| library("cuDNN (libcudnn.so.9)", format!("{:?}", e.0)))?;
    let plans = HashMap::new();
    let context = CudaContext { options, cudnn, blas, plans, workspace: None };
    // SAFETY: the handle was created above, and the stream lives as long as the device, which every
    // tensor holds.
    unsafe { cudnn::result::set_stream(cudnn, stream.cu_stream().cast()) }
        .map_err(|e| library("cuDNN (libcudnn.so.9)", format!("{:?}", e.0)))?;
    all().get_or_insert_default().insert(gpu.id(), Arc::new(Mutex::new(context)));
    Ok(())
}

/// Runs `f` with the context of a GPU.
pub(crate) fn with<R>(gpu: &Gpu, f: impl FnOnce(&mut CudaContext) -> Result<R>) -> Result<R> {
    let found = all().as_ref().and_then(|all| all.get(&gpu.device.id()).cloned());
    let Some(context) = found else {
        bail!(
            "convolutions and dense layers need a device that was opened by \
             alexnet_kernels::DeviceName::open"
        )
    };
    gpu.stream.context().bind_to_thread().w()?;
    let mut context = context.lock().unwrap_or_else(PoisonError::into_inner);
    f(&mut context)
}

impl CudaContext {
    /// The plans made so far for keys of type `K`.
    pub(crate) fn plans<K, P>(&mut self) -> &mut HashMap<K, Arc<P>>
    where
        K: Send + 'static,
        P: Send + Sync + 'static,
    {
        let new = || Box::new(HashMap::<K, Arc<P>>::new()) as Box<dyn Any + Send>;
        let plans = self.plans.entry(TypeId::of::<(K, P)>()).or_insert_with(new);
        plans.downcast_mut().expect("the map of this type is stored under its own type's id")
    }

    /// At least `bytes` of memory for the next call in the stream. The workspace grows when needed
    /// and is kept.
    pub(crate) fn workspace(&mut self, gpu: &Gpu, bytes: usize) -> Result<Span> {
        use candle_core::cuda::cudarc::driver::DevicePtr;
        if bytes == 0 {
            return Ok(Span { address: 0, length: 0 });
        }
        if self.workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes) {
            self.workspace = None; // the stream frees it before it allocates the new one
            self.workspace = Some(gpu.uninit_as(bytes)?);
        }
        let Some(workspace) = &self.workspace else { bail!("no workspace") };
        let (address, _) = workspace.device_ptr(&gpu.stream);
        Ok(Span { address, length: workspace.len() as u64 })
    }

    /// A workspace of `bytes` or, where the GPU has not so much in one piece, of half of that, a
    /// quarter, and so on down to none.
    pub(crate) fn workspace_if_there_is(&mut self, gpu: &Gpu, mut bytes: usize) -> Result<Span> {
        loop {
            match self.workspace(gpu, bytes) {
                Err(error) if is_out_of_memory(&error) => bytes /= 2,
                other => return other,
            }
        }
    }

    /// Frees the workspace: a search for algorithms needs more than any algorithm does later.
    pub(crate) fn drop_workspace(&mut self) {
        self.workspace = None;
    }
}
