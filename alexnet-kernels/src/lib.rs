#![doc = include_str!("../README.md")]

mod array;
mod collective;
mod cpu;
mod cuda;
mod device;
mod layout;
mod ops;
mod random;
mod staging;

pub use collective::channels::{add, join_channels, take_channels};
pub use collective::route::Route;
pub use collective::send::{connect, send, send_all};
pub use cpu::pool::{KeepMemory, recycle, upload};
pub use device::compute::Compute;
pub use device::error::{DeviceError, is_out_of_memory};
pub use device::memory::CardMemory;
pub use device::name::{DeviceName, UnknownDevice};
pub use device::names::DeviceNames;
pub use device::precision::{DeviceOptions, Precision, UnknownPrecision};
pub use layout::channels_last;
pub use ops::conv2d::{Conv2d, Padding};
pub use ops::cross_entropy::SoftmaxCrossEntropy;
#[doc(hidden)] // for the tests that run the kernels on the host
pub use ops::dropout::Rows as DropoutRows;
pub use ops::dropout::{Dropout, DropoutKey, DropoutMode, DropoutScale, Part};
pub use ops::gradients::{ConvGradients, Gradients, InputGradient, LinearGradients};
pub use ops::input::Input;
pub use ops::input::window::Window;
pub use ops::linear::Linear;
pub use ops::max_pool::{MaxPool2d, Pooled};
pub use ops::relu::Relu;
pub use ops::response_norm::Lrn;
pub use ops::response_norm::MapNorm;
pub use ops::sgd::Sgd;
pub use random::normal::normals;
pub use random::philox::{philox4x32, uniform};
pub use staging::{DeviceBatch, HostBatch, Transfer};

/// Each operation in f64, as slow and as plain as its formula: what tests and the self-test hold the
/// fast code against. Gradients are of Σ dy·y. Nothing here checks shapes.
#[doc(hidden)]
pub mod reference {
    pub use crate::array::Array;
    pub use crate::ops::conv2d::reference::*;
    pub use crate::ops::cross_entropy::reference::*;
    pub use crate::ops::dropout::reference::*;
    pub use crate::ops::input::reference::*;
    pub use crate::ops::linear::reference::*;
    pub use crate::ops::max_pool::reference::*;
    pub use crate::ops::relu::reference::*;
    pub use crate::ops::response_norm::reference::*;
    pub use crate::ops::sgd::reference::*;
}

/// Which kernel each operation launches over which grid, as plain data: for the test that runs the
/// kernels on the host.
#[doc(hidden)]
pub mod launch {
    pub use crate::cuda::launch::*;
    pub use crate::ops::bias::launch::*;
    pub use crate::ops::conv2d::launch::*;
    pub use crate::ops::cross_entropy::launch::*;
    pub use crate::ops::dropout::launch::*;
    pub use crate::ops::input::launch::*;
    pub use crate::ops::max_pool::launch::*;
    pub use crate::ops::relu::launch::*;
    pub use crate::ops::response_norm::launch::*;
    pub use crate::ops::sgd::launch::*;
}
