#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What a run is asked to do, its files and its events
mod checkpoint;
mod choices;
mod environment;
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
mod run_log;
mod schedule;

// From a dataset to the network's input on the devices
mod device_batches;
mod devices;
mod input;
mod memory;
mod prefetch;

// Training, and using what was trained
mod activation_maps;
mod classify;
mod evaluate;
mod features;
mod finite;
mod kernels;
mod neighbours;
mod optimizer;
mod pending;
mod records;
mod train;

// Several runs, compared
mod experiment;

// How fast and how right a device is
mod bench;
mod selftest;
mod trainer;

pub use activation_maps::{Maps, activation_maps};
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
pub use environment::Environment;
pub use error::Error;
pub use evaluate::check::{check_classes, check_preprocessing};
pub use evaluate::confusions::{Confusion, Confusions};
pub use evaluate::ensemble::{Ensemble, Predictions};
pub use evaluate::pass::Member;
pub use evaluate::probabilities::{probabilities, ranking};
pub use evaluate::saved::{ProbabilitiesWriter, SavedProbabilities, save_probabilities};
pub use evaluate::saved_header::{ProbabilitiesInfo, SavedMember};
pub use evaluate::score::{Evaluation, ImageScore, Tops, Totals};
pub use evaluate::{evaluate, evaluate_ensemble};
pub use event::Event;
pub use experiment::arm::Arm;
pub use experiment::bootstrap::{Difference, RESAMPLINGS, paired_bootstrap};
pub use experiment::factor::{ArmPatch, Changes, Factor};
pub use experiment::outcome::{ArmOutcome, Measure, Outcome};
pub use experiment::recipe_patch::RecipePatch;
pub use experiment::{ArmProgress, Experiment, ExperimentEvent, PlannedRun, RunState};
pub use features::file::FeatureFile;
pub use features::{FeatureImages, feature_rows, features};
pub use input::InputStage;
pub use job::{Job, Task};
pub use kernels::Kernels;
pub use neighbours::{NearestSearch, Neighbour};
pub use optimizer::Optimizer;
pub use pretrained::{Pretrained, PretrainedLayers};
pub use progress::Progress;
pub use rates::step_rates;
pub use recipe::{AugmentationRecipe, ColorRecipe, InputRecipe, LayerRates, Mean};
pub use recipe::{OwnRates, Rates, Recipe};
pub use records::predict_records;
pub use run::{RunConfig, RunFolder, data_checksum};
pub use run_log::{LoggedEnd, LoggedEpoch, LoggedStart, LoggedStep, RunLog};
pub use schedule::{Change, Moment, Plateau, Schedule, Verdict};
pub use selftest::comparisons::SelftestRow;
pub use selftest::{SelftestOptions, selftest};
pub use train::train;
