//! The emulator: libraries in the place of the NVIDIA driver, cuDNN 9, cuBLASLt, cuBLAS and cuRAND
//! that do on the CPU what those would do on GPUs, so that everything between the program and the
//! GPU runs.
//!
//! `cargo xtask cuda test` builds this crate and the program with the feature `cuda` and runs them
//! on it: the tests here, which show that the emulator sees what it is there to see, and those of
//! the program in `alexnet-cli/tests/emulator`, among them the self-test of every operation.
//!
//! What they show: that calls have the arguments their libraries ask for, that memory is there as
//! long as it is used, that streams wait for each other, and that the results are right. The
//! emulator knows what this project calls and no more, and nothing that it computes has been seen
//! on a GPU.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub)] // a test is a crate of its own

mod libraries;

use std::process::{Command, Output};
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type,
    cudnnBackendDescriptorType_t as Kind, cudnnDataType_t, cudnnStatus_t as Status,
};
use cudarc::driver::result::{free_async, malloc_async, malloc_host};
use cudarc::driver::result::{memcpy_dtoh_async, memcpy_htod_async, memset_d8_async};
use cudarc::driver::sys::cudaError_enum as Error;
use cudarc::driver::{CudaContext, CudaStream, DriverError};

/// Runs the body of the test of this name on the emulated GPUs, in a process of its own: it needs
/// the libraries from its start, and after a fault a GPU does nothing more. Gives back how that
/// went, and nothing within that process.
fn emulated(test: &str, body: impl FnOnce()) -> Option<Output> {
    if std::env::var_os("ALEXNET_EMULATED").is_some() {
        body();
        return None;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("ALEXNET_EMULATED", "1")
        .env("LD_LIBRARY_PATH", &*libraries::FOLDER)
        .output();
    let output = child.unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    Some(output)
}

/// A stream of the first GPU.
fn stream() -> Arc<CudaStream> {
    CudaContext::new(0).unwrap().new_stream().unwrap()
}

/// Waits for all work of a stream and gives back the status.
fn wait(stream: &CudaStream) -> Result<(), Error> {
    stream.synchronize().map_err(|DriverError(status)| status)
}

#[test]
fn a_copy_is_as_late_as_it_may() {
    emulated("a_copy_is_as_late_as_it_may", || {
        let stream = stream();
        // SAFETY: all buffers have 4 floats, and none is released.
        unsafe {
            let pinned = std::slice::from_raw_parts_mut(malloc_host(16, 0).unwrap().cast(), 4);
            let back = std::slice::from_raw_parts_mut(malloc_host(16, 0).unwrap().cast(), 4);
            let memory = malloc_async(stream.cu_stream(), 16).unwrap();
            pinned.copy_from_slice(&[1f32; 4]);
            back.copy_from_slice(&[0f32; 4]);
            memcpy_htod_async(memory, pinned, stream.cu_stream()).unwrap();
            memcpy_dtoh_async(back, memory, stream.cu_stream()).unwrap();
            // Whoever fills a pinned buffer again before it was read sends the wrong values.
            pinned.copy_from_slice(&[2f32; 4]);
            assert_eq!(back, [0.0; 4]);
            wait(&stream).unwrap();
            assert_eq!(back, [2.0; 4]);
        }
    });
}

#[test]
fn new_memory_holds_no_numbers() {
    emulated("new_memory_holds_no_numbers", || {
        let stream = stream();
        let mut back = [0f32; 4];
        // SAFETY: both have 4 floats.
        unsafe {
            let memory = malloc_async(stream.cu_stream(), 16).unwrap();
            memcpy_dtoh_async(&mut back, memory, stream.cu_stream()).unwrap();
        }
        assert!(back.iter().all(|x| x.is_nan()), "{back:?}");
    });
}

/// Runs a body that does something wrong, after which the GPU must answer as one does, and the
/// emulator must have said what was wrong. What the body gives back lives until then.
fn fault<T>(test: &str, says: &str, body: impl FnOnce(&CudaStream) -> T) {
    let output = emulated(test, || {
        let stream = stream();
        let _kept = body(&stream);
        assert_eq!(wait(&stream), Err(Error::CUDA_ERROR_ILLEGAL_ADDRESS));
    });
    if let Some(output) = output {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(says), "no `{says}` in: {text}");
    }
}

#[test]
fn a_write_past_the_end_is_a_fault() {
    let says = "emulator: fill: 17 bytes, where the block has 16";
    // SAFETY: the emulator makes no access that is outside of a block.
    fault("a_write_past_the_end_is_a_fault", says, |stream| unsafe {
        let memory = malloc_async(stream.cu_stream(), 16).unwrap();
        memset_d8_async(memory, 0, 17, stream.cu_stream()).unwrap();
    });
}

#[test]
fn released_memory_is_a_fault() {
    let says = "emulator: fill: memory was released";
    // SAFETY: the emulator makes no access to memory that was released.
    fault("released_memory_is_a_fault", says, |stream| unsafe {
        let memory = malloc_async(stream.cu_stream(), 16).unwrap();
        free_async(memory, stream.cu_stream()).unwrap();
        memset_d8_async(memory, 0, 16, stream.cu_stream()).unwrap();
    });
}

/// The allocation is work of one stream, and nothing makes the other wait for it.
#[test]
fn a_missing_event_is_a_fault() {
    let says = "emulator: fill: memory is not there yet";
    fault("a_missing_event_is_a_fault", says, |stream| {
        let other = stream.context().new_stream().unwrap();
        // SAFETY: the emulator makes no access to memory that is not there yet.
        unsafe {
            let memory = malloc_async(other.cu_stream(), 16).unwrap();
            memset_d8_async(memory, 0, 16, stream.cu_stream()).unwrap();
        }
        other
    });
}

#[test]
fn memory_of_another_gpu_is_a_fault() {
    let says = "emulator: fill: device 0 does not reach memory of device 1";
    fault("memory_of_another_gpu_is_a_fault", says, |stream| {
        let other = CudaContext::new(1).unwrap().new_stream().unwrap();
        // SAFETY: the emulator makes no access to memory out of reach.
        let memory = unsafe { malloc_async(other.cu_stream(), 16).unwrap() };
        wait(&other).unwrap();
        stream.context().bind_to_thread().unwrap();
        // SAFETY: as above.
        unsafe { memset_d8_async(memory, 0, 16, stream.cu_stream()).unwrap() };
    });
}

/// cuDNN 9 has other numbers than 8, and as an enum a number that it does not have is undefined.
#[test]
fn cudnn_refuses_with_its_own_status() {
    emulated("cudnn_refuses_with_its_own_status", || {
        let tensor = |sizes: [i64; 4], strides: [i64; 4]| {
            let tensor = Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR);
            tensor.set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, Type::CUDNN_TYPE_INT64, &[1i64]);
            let float = cudnnDataType_t::CUDNN_DATA_FLOAT;
            tensor.set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[float]);
            tensor.set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, Type::CUDNN_TYPE_INT64, &sizes);
            tensor.set(Name::CUDNN_ATTR_TENSOR_STRIDES, Type::CUDNN_TYPE_INT64, &strides);
            tensor
        };
        assert_eq!(tensor([1, 4, 2, 2], [16, 1, 8, 4]).finalize(), Status::CUDNN_STATUS_SUCCESS);
        let empty = tensor([0, 4, 2, 2], [16, 1, 8, 4]).finalize();
        assert_eq!(empty, Status::CUDNN_STATUS_BAD_PARAM);
        let channels_first = tensor([1, 4, 2, 2], [16, 4, 2, 1]).finalize();
        assert_eq!(channels_first, Status::CUDNN_STATUS_NOT_SUPPORTED);
    });
}

/// A descriptor of cuDNN's graph interface.
struct Descriptor(sys::cudnnBackendDescriptor_t);

impl Descriptor {
    fn new(kind: Kind) -> Self {
        let mut raw = null_mut();
        // SAFETY: there is room for one descriptor.
        let status = unsafe { sys::cudnnBackendCreateDescriptor(kind, &raw mut raw) };
        assert_eq!(status, Status::CUDNN_STATUS_SUCCESS);
        Self(raw)
    }

    fn set<T>(&self, name: Name, kind: Type, values: &[T]) {
        let (count, first) = (values.len() as i64, values.as_ptr().cast());
        // SAFETY: the elements are of the type that the caller names.
        let status = unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count, first) };
        assert_eq!(status, Status::CUDNN_STATUS_SUCCESS);
    }

    fn finalize(&self) -> Status {
        // SAFETY: the descriptor is live.
        unsafe { sys::cudnnBackendFinalize(self.0) }
    }
}
