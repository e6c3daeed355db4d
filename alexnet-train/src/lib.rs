#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What a run is asked to do, its files and its events
mod checkpoint;
mod choices;
mod error;
mod event;
mod freeze;
mod header;
mod job;
mod path_json;
mod pretrained;
mod progress;
mod ranges;
mod rates;
mod recipe;
mod run;
mod schedule;

// From a dataset to the network's input on the devices
mod device_batches;
mod devices;
mod input;
mod memory;
mod prefetch;

// Training, and using what was trained
mod classify;
mod evaluate;
mod features;
mod finite;
mod optimizer;
mod pending;
mod train;

// How fast and how right a device is
mod bench;
mod selftest;
mod trainer;

/// Devices and the pooling allocator, re-exported for programs.
pub use alexnet_kernels::{
    ComputeDevice, DeviceError, DeviceName, DeviceNames, DeviceOptions, PoolAllocator, Precision,
    gemm_library_runs,
};
pub use bench::bench;
pub use bench::layers::LayerTimes;
pub use bench::phases::BenchPhase;
pub use bench::report::{BenchDetails, BenchOptions, BenchReport};
pub use checkpoint::Checkpoint;
pub use choices::{ConvolutionChoice, MeasuredWay};
pub use classify::classify;
pub use error::Error;
pub use evaluate::{
    Evaluation, check_classes, check_preprocessing, evaluate, probabilities, ranking,
};
pub use event::Event;
pub use features::file::FeatureFile;
pub use features::{FeatureImages, features};
pub use input::InputStage;
pub use job::{Job, Task, data_checksum};
pub use optimizer::Optimizer;
pub use pretrained::{Pretrained, PretrainedLayers};
pub use progress::Progress;
pub use rates::step_rates;
pub use recipe::{AugmentationRecipe, ColorRecipe, InputRecipe, LayerRates, Mean, Rates, Recipe};
pub use run::{RunConfig, RunFolder};
pub use schedule::{Change, Moment, Plateau, Schedule, Verdict};
pub use selftest::comparisons::SelftestRow;
pub use selftest::{SelftestOptions, selftest};
pub use train::train;
