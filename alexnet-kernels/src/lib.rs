#![doc = include_str!("../README.md")]

mod array;
mod check;
mod collective;
mod cpu;
mod cuda;
mod device;
mod layout;
mod op;
mod ops;
mod random;
mod staging;

// Layers with weights: convolution and dense layer, each also as a function.
pub use ops::conv2d::config::{Conv2dConfig, Padding};
pub use ops::conv2d::{Conv2d, conv2d};
pub use ops::linear::{Linear, linear};
pub use ops::local2d::{Local2d, Local2dConfig};

// Layers without weights.
pub use ops::activation::function::Activation;
pub use ops::avg_pool::AvgPool2d;
pub use ops::dropout::{Dropout, DropoutMode, DropoutScale};
pub use ops::dropout::{key::DropoutKey, slice::DropoutSlice};
pub use ops::lrn_pool::{LrnPool, rest::Rest};
pub use ops::max_pool::{MaxPool2d, Pooled, towers::Towers};
pub use ops::response_norm::{lrn::Lrn, map_norm::MapNorm};

// What a layer does in the same pass over memory as its own work.
pub use ops::fusion::{Epilogue, InputGrad, LayerGrads};

// The two ends of a network, the layout of its images on a GPU, and the update.
pub use ops::cross_entropy::{cross_entropy, cross_entropy_with_grad, cross_entropy_with_guesses};
pub use ops::input::{Input, window::Window, window::Windows};
pub use ops::sgd::rule::Sgd;
pub use ops::space_to_depth::SpaceToDepth;

// Devices, and the way of a batch to one of them.
pub use device::choice::{Choice, Way};
pub use device::compute::ComputeDevice;
pub use device::error::{DeviceError, is_out_of_memory};
pub use device::memory::GpuMemory;
pub use device::name::{DeviceName, UnknownDevice};
pub use device::names::DeviceNames;
pub use device::precision::{DeviceOptions, Precision, UnknownPrecision};
pub use staging::{Staging, batch::DeviceBatch, batch::HostBatch};

// Networks whose towers are on devices of their own.
pub use collective::all_gather::all_gather;
pub use collective::copy::copy_to_devices;
pub use collective::interconnect::{Interconnect, enable_peer_access};
pub use collective::reduce_scatter::{add, scatter};

// The processor, memory, random numbers, layout.
pub use cpu::gemm::gemm_library_runs;
pub use cpu::pool::{PoolAllocator, PoolGuard};
pub use layout::channels_last;
pub use random::normal::normals;
pub use random::philox::{philox4x32, uniform};

/// Each operation once more in f64, as slow and as plain as its formula: the tests and the
/// self-test compare the fast code with it. Gradients are those of Σ dy·y. Nothing here checks
/// shapes.
#[doc(hidden)]
pub mod reference {
    pub use crate::array::Array;
    pub use crate::ops::{
        activation::reference::*, avg_pool::reference::*, conv2d::reference::*,
        cross_entropy::reference::*, dropout::reference::*, input::reference::*,
        linear::reference::*, local2d::reference::*, lrn_pool::reference::*,
        max_pool::reference::*, response_norm::reference::*, sgd::reference::*,
        space_to_depth::reference::*,
    };
}

/// Which kernel each operation launches over which grid, as plain data: for the tests that run the
/// kernels on the host.
#[doc(hidden)]
pub mod launch {
    pub use crate::cuda::launch::*;
    pub use crate::ops::{
        activation::launch::*, avg_pool::launch::*, bias::launch::*, conv2d::launch::*,
        cross_entropy::launch::*, dropout::launch::*, input::launch::*, local2d::launch::*,
        lrn_pool::launch::*, max_pool::launch::*, regroup::launch::*, response_norm::launch::*,
        sgd::launch::*, space_to_depth::launch::*,
    };
}

#[doc(hidden)] // for the same tests
pub use ops::dropout::slice::Rows as DropoutRows;
