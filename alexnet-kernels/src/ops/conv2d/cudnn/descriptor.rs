//! A descriptor of cuDNN's graph interface: attributes are set, then it is finalized and read.

use std::ffi::c_void;
use std::ptr::null_mut;

use candle_core::cuda::cudarc::cudnn::sys;
use candle_core::{Result, bail};

pub(super) use sys::cudnnBackendAttributeName_t as Name;
pub(super) use sys::cudnnBackendDescriptorType_t as Kind;

/// What cuDNN returned as a result of ours; `what` says what it was asked for.
pub(super) fn said(what: &str, status: sys::cudnnStatus_t) -> Result<()> {
    match status.result() {
        Ok(()) => Ok(()),
        Err(error) => bail!("cuDNN: {what}: {:?}", error.0),
    }
}

/// A descriptor, destroyed when dropped. A descriptor that refers to others copies them when it is
/// finalized.
#[derive(Debug)]
pub(super) struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: descriptors are plain memory of the library, not tied to a thread; once finalized they
// are only read.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: `new` created it, and nothing else uses it.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    pub(super) fn new(kind: Kind) -> Result<Self> {
        let mut raw = null_mut();
        // SAFETY: there is room for one descriptor.
        said("creating a descriptor", unsafe {
            sys::cudnnBackendCreateDescriptor(kind, &raw mut raw)
        })?;
        Ok(Self(raw))
    }

    /// Sets an attribute, which has these elements.
    pub(super) fn with<T: Attribute>(self, name: Name, values: &[T]) -> Result<Self> {
        let (count, first) = (values.len() as i64, values.as_ptr().cast());
        // SAFETY: the elements are of the type that the call names.
        let status = unsafe { sys::cudnnBackendSetAttribute(self.0, name, T::TYPE, count, first) };
        said(&format!("setting {name:?}"), status)?;
        Ok(self)
    }

    /// Sets an attribute that is a list of descriptors.
    pub(super) fn with_all(self, name: Name, others: &[&Self]) -> Result<Self> {
        let raw: Vec<Raw> = others.iter().map(|other| Raw(other.0)).collect();
        self.with(name, &raw)
    }

    pub(super) fn finalized(self) -> Result<Self> {
        // SAFETY: the descriptor is live.
        said("finalizing a descriptor", unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// At most so many elements of an attribute.
    pub(super) fn read<T: Attribute + Default>(&self, name: Name, most: usize) -> Result<Vec<T>> {
        let mut values = vec![T::default(); most];
        let count = self.get(name, T::TYPE, most, values.as_mut_ptr().cast())?;
        values.truncate(count);
        Ok(values)
    }

    /// The descriptors of a kind that an attribute lists.
    pub(super) fn read_all(&self, name: Name, kind: Kind) -> Result<Vec<Self>> {
        let count = self.get(name, Raw::TYPE, 0, null_mut())?;
        let others = (0..count).map(|_| Self::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut raw: Vec<Raw> = others.iter().map(|other| Raw(other.0)).collect();
        let count = self.get(name, Raw::TYPE, count, raw.as_mut_ptr().cast())?;
        Ok(others.into_iter().take(count).collect())
    }

    fn get(
        &self,
        name: Name,
        kind: sys::cudnnBackendAttributeType_t,
        most: usize,
        values: *mut c_void,
    ) -> Result<usize> {
        let mut count = 0;
        // SAFETY: there is room for `most` elements of this type.
        said(&format!("reading {name:?}"), unsafe {
            let most = most as i64;
            sys::cudnnBackendGetAttribute(self.0, name, kind, most, &raw mut count, values)
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Queues the work of an execution plan, which this is, on the memory that `pack` names.
    ///
    /// # Safety
    ///
    /// The pack's memory is live and has the sizes that the plan was made for.
    pub(super) unsafe fn execute(&self, handle: sys::cudnnHandle_t, pack: &Self) -> Result<()> {
        // SAFETY: by this function's own condition.
        said("convolving", unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) })
    }
}

/// A type that elements of attributes have.
///
/// # Safety
///
/// `TYPE` names a type of the library that has the same memory.
pub(super) unsafe trait Attribute: Copy {
    const TYPE: sys::cudnnBackendAttributeType_t;
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Raw(sys::cudnnBackendDescriptor_t);

/// The library's handle as an attribute.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Handle(pub(super) sys::cudnnHandle_t);

/// An address of a GPU as an attribute.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Address(pub(super) u64);

/// A numerical note, a property of an engine. It is a number, because a newer library may have
/// notes that this program has no name for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Note(pub(super) u32);

macro_rules! attributes {
    ($($rust:ty: $library:ident,)*) => {$(
        // SAFETY: both are the same type, by the library's documentation.
        unsafe impl Attribute for $rust {
            const TYPE: sys::cudnnBackendAttributeType_t =
                sys::cudnnBackendAttributeType_t::$library;
        }
    )*};
}
attributes! {
    i64: CUDNN_TYPE_INT64,
    f32: CUDNN_TYPE_FLOAT,
    bool: CUDNN_TYPE_BOOLEAN,
    Raw: CUDNN_TYPE_BACKEND_DESCRIPTOR,
    Handle: CUDNN_TYPE_HANDLE,
    Address: CUDNN_TYPE_VOID_PTR,
    Note: CUDNN_TYPE_NUMERICAL_NOTE,
    sys::cudnnDataType_t: CUDNN_TYPE_DATA_TYPE,
    sys::cudnnConvolutionMode_t: CUDNN_TYPE_CONVOLUTION_MODE,
    sys::cudnnPointwiseMode_t: CUDNN_TYPE_POINTWISE_MODE,
    sys::cudnnNanPropagation_t: CUDNN_TYPE_NAN_PROPOGATION,
    sys::cudnnBackendHeurMode_t: CUDNN_TYPE_HEUR_MODE,
}
