//! What a card keeps between operations: handles of the libraries, one workspace, the algorithms chosen so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::cuda::cudarc::driver::CudaSlice;
use candle_core::cuda::cudarc::{cublaslt, cudnn};
use candle_core::cuda::{CudaDevice, DeviceId, WrapErr};
use candle_core::{Result, bail};

use super::blas::{ProductKey, ProductPlan};
use super::card::Card;
use super::conv::{ConvKey, ConvPlan};
use crate::compute::is_out_of_memory;
use crate::device::{DeviceError, DeviceName, DeviceOptions};
use crate::launch::Span;

/// Of one device. Its lock is held while an operation is put into the stream.
pub(super) struct Handles {
    pub(super) options: DeviceOptions,
    pub(super) cudnn: cudnn::sys::cudnnHandle_t,
    pub(super) blas: cublaslt::sys::cublasLtHandle_t,
    pub(super) convolutions: HashMap<ConvKey, Arc<ConvPlan>>,
    pub(super) products: HashMap<ProductKey, Arc<ProductPlan>>,
    workspace: Option<CudaSlice<u8>>,
}

// SAFETY: both libraries let any thread use a handle as long as only one does at a time, which the mutex around it
// sees to; the context is bound to the thread before each use.
unsafe impl Send for Handles {}

impl Drop for Handles {
    fn drop(&mut self) {
        // SAFETY: both handles were created with this value and nobody else has them.
        unsafe {
            let _ = cudnn::result::destroy_handle(self.cudnn);
            let _ = cublaslt::result::destroy_handle(self.blas);
        }
    }
}

static ALL: Mutex<Option<HashMap<DeviceId, Arc<Mutex<Handles>>>>> = Mutex::new(None);

fn all() -> MutexGuard<'static, Option<HashMap<DeviceId, Arc<Mutex<Handles>>>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the handles of a card that was just opened.
pub(super) fn register(
    card: &CudaDevice,
    name: DeviceName,
    options: DeviceOptions,
) -> std::result::Result<(), DeviceError> {
    let library = |library, reason: String| DeviceError::Library { name, library, reason };
    let stream = card.cuda_stream();
    let bound = stream.context().bind_to_thread();
    bound.map_err(|e| DeviceError::Driver { name, reason: format!("the driver says {e:?}") })?;
    let blas = cublaslt::result::create_handle()
        .map_err(|e| library("cuBLASLt (libcublasLt.so)", format!("{:?}", e.0)))?;
    let cudnn = cudnn::result::create_handle()
        .map_err(|e| library("cuDNN (libcudnn.so.9)", format!("{:?}", e.0)))?;
    let (convolutions, products) = (HashMap::new(), HashMap::new());
    let handles = Handles { options, cudnn, blas, convolutions, products, workspace: None };
    // SAFETY: the handle was made above, and the stream lives as long as the device, which every tensor holds.
    unsafe { cudnn::result::set_stream(cudnn, stream.cu_stream().cast()) }
        .map_err(|e| library("cuDNN (libcudnn.so.9)", format!("{:?}", e.0)))?;
    all().get_or_insert_default().insert(card.id(), Arc::new(Mutex::new(handles)));
    Ok(())
}

/// Runs `f` with the handles of a card.
pub(super) fn with<R>(card: &Card, f: impl FnOnce(&mut Handles) -> Result<R>) -> Result<R> {
    let found = all().as_ref().and_then(|all| all.get(&card.device.id()).cloned());
    let Some(handles) = found else {
        bail!(
            "this device was not opened by alexnet_kernels::DeviceName::open, which convolutions and dense layers need"
        )
    };
    card.stream.context().bind_to_thread().w()?;
    let mut handles = handles.lock().unwrap_or_else(PoisonError::into_inner);
    f(&mut handles)
}

impl Handles {
    /// At least `bytes` of memory that the next call in the stream may use; grown when needed, never given back.
    pub(super) fn workspace(&mut self, card: &Card, bytes: usize) -> Result<Span> {
        use candle_core::cuda::cudarc::driver::DevicePtr;
        if bytes == 0 {
            return Ok(Span { address: 0, length: 0 });
        }
        if self.workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes) {
            self.workspace = None; // freed in the order of the stream, before the new one
            self.workspace = Some(card.fresh_as(bytes)?);
        }
        let Some(workspace) = &self.workspace else { bail!("no workspace") };
        let (address, _) = workspace.device_ptr(&card.stream);
        Ok(Span { address, length: workspace.len() as u64 })
    }

    /// The same of `bytes` or, where the card has not so much in one piece, half of it, or half of that, or none.
    pub(super) fn workspace_if_there_is(&mut self, card: &Card, mut bytes: usize) -> Result<Span> {
        loop {
            match self.workspace(card, bytes) {
                Err(error) if is_out_of_memory(&error) => bytes /= 2,
                other => return other,
            }
        }
    }

    /// Gives back what a search for algorithms needed and nothing after it does.
    pub(super) fn drop_workspace(&mut self) {
        self.workspace = None;
    }
}
