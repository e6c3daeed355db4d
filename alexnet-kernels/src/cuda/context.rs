//! What a GPU keeps between operations: the libraries' handles, one workspace, the algorithms
//! chosen so far.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use candle_core::cuda::cudarc::{cublaslt, cudnn};
use candle_core::cuda::{CudaDevice, DeviceId, WrapErr};
use candle_core::{DType, Result, bail};

use super::gpu::{Gpu, Uninit};
use super::launch::Span;
use crate::device::choice::Choice;
use crate::device::error::DeviceError;
use crate::device::name::DeviceName;
use crate::device::precision::DeviceOptions;

/// The context of one device. Its lock is held while an operation is queued.
pub(crate) struct CudaContext {
    pub(crate) options: DeviceOptions,
    pub(crate) cudnn: cudnn::sys::cudnnHandle_t,
    pub(crate) blas: cublaslt::sys::cublasLtHandle_t,
    /// The plans made so far: for each type of key, a map from keys to plans.
    plans: HashMap<TypeId, Box<dyn Any + Send>>,
    workspace: Option<Uninit>,
    /// What was chosen where several ways were there.
    pub(crate) choices: Vec<Choice>,
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

static ALL: LazyLock<Mutex<HashMap<DeviceId, Arc<Mutex<CudaContext>>>>> =
    LazyLock::new(Mutex::default);

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
    let choices = Vec::new();
    let context = CudaContext { options, cudnn, blas, plans, workspace: None, choices };
    // SAFETY: the handle was created above, and the stream lives as long as the device, which every
    // tensor holds.
    unsafe { cudnn::result::set_stream(cudnn, stream.cu_stream().cast()) }
        .map_err(|e| library("cuDNN (libcudnn.so.9)", format!("{:?}", e.0)))?;
    lock(&ALL).insert(gpu.id(), Arc::new(Mutex::new(context)));
    Ok(())
}

/// Runs `f` with the context of a GPU.
pub(crate) fn with<R>(gpu: &Gpu, f: impl FnOnce(&mut CudaContext) -> Result<R>) -> Result<R> {
    let Some(context) = lock(&ALL).get(&gpu.device.id()).cloned() else {
        bail!(
            "convolutions and dense layers need a device that was opened by \
             alexnet_kernels::ComputeDevice::open"
        )
    };
    gpu.stream.context().bind_to_thread().w()?;
    f(&mut lock(&context))
}

/// What was chosen on a GPU so far.
pub(crate) fn choices(gpu: &CudaDevice) -> Vec<Choice> {
    let context = lock(&ALL).get(&gpu.id()).cloned();
    context.map_or_else(Vec::new, |context| lock(&context).choices.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CudaContext {
    /// The plan for a key: the one made before, or that which `make` makes.
    pub(crate) fn plan<K, P>(
        &mut self,
        key: K,
        make: impl FnOnce(&mut Self, &K) -> Result<P>,
    ) -> Result<Arc<P>>
    where
        K: Hash + Eq + Send + 'static,
        P: Send + Sync + 'static,
    {
        let plans = self.plans.get(&TypeId::of::<K>());
        let plans = plans.and_then(|plans| plans.downcast_ref::<HashMap<K, Arc<P>>>());
        if let Some(plan) = plans.and_then(|plans| plans.get(&key)) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(make(self, &key)?);
        let new = || Box::new(HashMap::<K, Arc<P>>::new()) as Box<dyn Any + Send>;
        let plans = self.plans.entry(TypeId::of::<K>()).or_insert_with(new);
        plans.downcast_mut::<HashMap<_, _>>().and_then(|plans| plans.insert(key, plan.clone()));
        Ok(plan)
    }

    /// At least `bytes` of memory for the next call in the stream. The workspace grows when needed
    /// and is kept.
    pub(crate) fn workspace(&mut self, gpu: &Gpu, bytes: usize) -> Result<Span> {
        if bytes == 0 {
            return Ok(Span::default());
        }
        if self.workspace.as_ref().is_none_or(|old| old.span.length < bytes as u64) {
            self.workspace = None; // the stream frees it before it allocates the new one
        }
        match &self.workspace {
            Some(workspace) => Ok(workspace.span),
            None => Ok(self.workspace.insert(gpu.uninit(DType::U8, bytes)?).span),
        }
    }

    /// Frees the workspace: a search for algorithms needs more than any algorithm does later.
    pub(crate) fn drop_workspace(&mut self) {
        self.workspace = None;
    }
}
