#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod layers;
mod memory;
mod network;
mod parameters;
mod presets;
mod spec;
mod stage;
mod suggest;
mod walk;

pub use error::SpecError;
pub use layers::{Layer, Layers, Row, Shape, Table};
pub use memory::StepMemory;
pub use network::{Network, Parameter, Role};
pub use spec::{Init, LayerKind, LayerSpec, NetworkSpec, Normal, Op, Rule, Scale};
pub use stage::Stage;
pub use suggest::{explain, nearest};
pub use walk::{Mode, Saved, StageGradients, StageOutput, Tape};
