#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What a run is asked to do, its files and its events
mod checkpoint;
mod choices;
mod environment;
mod error;
mod log;
mod path_json;
mod recipe;
mod run;
mod system;

// From a dataset to the network's input on the devices
mod devices;
mod input;
mod memory;

// Training, and using what was trained
mod activation_maps;
mod evaluate;
mod features;
mod image_source;
mod kernels;
mod neighbours;
mod predict;
mod records;
mod train;

// Weights in files of other programs
mod export;
mod onnx;

// Several runs, compared
mod experiment;

// Weights of others
mod import;

#[doc(hidden)]
pub mod fuzz;

// How fast and how right a device is
mod bench;
mod selftest;
mod trainer;

pub use activation_maps::{Maps, activation_maps, input_maps};
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
pub use checkpoint::description::Description;
pub use checkpoint::progress::Progress;
pub use choices::{ConvolutionChoice, MeasuredWay};
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
pub use experiment::arm::Arm;
pub use experiment::bootstrap::{Difference, RESAMPLINGS, paired_bootstrap};
pub use experiment::factor::{ArmPatch, Changes, Factor};
pub use experiment::outcome::{ArmOutcome, Measure, Outcome};
pub use experiment::recipe_patch::RecipePatch;
pub use experiment::{ArmProgress, Experiment, ExperimentEvent, PlannedRun, RunState};
pub use export::{ExportFormat, export};
pub use features::file::FeatureFile;
pub use features::gradients::{Gradients, gradients};
pub use features::{FeatureImages, feature_rows, features};
pub use image_source::ImageSource;
pub use import::{ImportOptions, Imported, families, import};
pub use input::InputStage;
pub use kernels::Kernels;
pub use log::event::{Event, LayerNorms};
pub use log::follow::LogFollower;
pub use log::read::{LoggedCheckpoint, LoggedEnd, LoggedEpoch, LoggedFailure, LoggedNorms};
pub use log::read::{LoggedNote, LoggedStart, LoggedStep, RunLog};
pub use neighbours::{NearestSearch, Neighbour};
pub use predict::classify::classify;
pub use predict::{Looking, Prediction, predict_images};
pub use recipe::changed_value::{ChangedValue, changed_values};
pub use recipe::curve::WarmUp;
pub use recipe::plateau::{Plateau, Verdict};
pub use recipe::rates::step_rates;
pub use recipe::schedule::{Change, Decay, Moment, Schedule};
pub use recipe::{AugmentationRecipe, ColorRecipe, InputRecipe, LayerRates, Mean};
pub use recipe::{OwnRates, Rates, Recipe};
pub use records::predict_records;
pub use run::status::RunStatus;
pub use run::{RunConfig, RunFolder, data_checksum};
pub use selftest::comparisons::SelftestRow;
pub use selftest::{SelftestOptions, selftest};
pub use train::checkpoint_every::CheckpointEvery;
pub use train::disk::DiskNeeds;
pub use train::dry_run::{DryRun, dry_run};
pub use train::ending::LAST_EVALUATION;
pub use train::guard::OnDivergence;
pub use train::job::{Asked, Job, Task};
pub use train::optimizer::Optimizer;
pub use train::pretrained::{Pretrained, PretrainedLayers};
pub use train::snapshot::Snapshot;
pub use train::stop::{Ended, Stop};
pub use train::train;
