#![doc = include_str!("../README.md")]

mod aligned;
mod channels;
mod compute;
mod conv;
mod crossing;
#[cfg(feature = "cuda")]
mod cuda;
mod dense;
mod device;
mod device_names;
mod dropout;
mod elementwise;
mod gradients;
mod input;
#[doc(hidden)] // for the tests that run the kernels on the host
pub mod launch;
mod linear;
mod lrn;
mod map_norm;
mod matrix;
mod max_pool;
mod memory;
mod micro;
mod normal;
#[doc(hidden)] // for tests and the self-test
pub mod oracle;
mod philox;
mod power;
mod relu;
mod sgd;
mod short;
mod simd;
mod softmax_cross_entropy;
#[cfg(any(test, feature = "cuda"))]
mod support;
mod transfer;
mod window;

pub use aligned::Window;
pub use channels::{add, join_channels, take_channels};
pub use compute::{CardMemory, Compute, is_out_of_memory};
pub use conv::{Conv2d, Padding};
pub use crossing::{Route, connect, send, send_all};
pub use dense::{channels_last, read_as};
pub use device::{DeviceError, DeviceName, DeviceOptions, Precision};
pub use device_names::DeviceNames;
#[doc(hidden)] // for the tests that run the kernels on the host
pub use dropout::Rows as DropoutRows;
pub use dropout::{Dropout, DropoutKey, DropoutMode, DropoutScale, Part};
pub use gradients::{ConvGradients, Gradients, InputGradient, LinearGradients};
pub use input::Input;
pub use linear::Linear;
pub use lrn::Lrn;
pub use map_norm::MapNorm;
pub use max_pool::{MaxPool2d, Pooled};
pub use memory::{KeepMemory, recycle, upload};
pub use normal::normals;
pub use philox::{philox4x32, uniform};
pub use relu::Relu;
pub use sgd::Sgd;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
pub use transfer::{DeviceBatch, HostBatch, Transfer};
