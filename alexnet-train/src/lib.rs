#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bench;
mod checkpoint;
mod classify;
mod error;
mod evaluate;
mod event;
mod feed;
mod input;
mod memory;
mod optimizer;
mod pending;
mod prefetch;
mod recipe;
mod run;
mod schedule;
mod selftest;
mod train;

/// Devices and the pooling allocator, re-exported for programs.
pub use alexnet_kernels::{
    ComputeDevice, DeviceError, DeviceName, DeviceNames, DeviceOptions, PoolAllocator, Precision,
};
pub use bench::{BenchDetails, BenchOptions, BenchReport, LayerTimes, bench};
pub use checkpoint::{Checkpoint, Progress};
pub use classify::classify;
pub use error::Error;
pub use evaluate::{Evaluation, check_classes, evaluate, probabilities, ranking};
pub use event::Event;
pub use input::InputStage;
pub use optimizer::{Optimizer, StepRates, step_rates};
pub use recipe::{AugmentationRecipe, ColorRecipe, InputRecipe, LayerRates, Mean, Rates, Recipe};
pub use run::{RunConfig, RunFolder};
pub use schedule::{Change, Plateau, Schedule};
pub use selftest::{SelftestOptions, SelftestRow, selftest};
pub use train::{Job, Task, train};
