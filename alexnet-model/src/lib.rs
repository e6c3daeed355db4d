#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod layers;
mod memory;
mod network;
mod parameters;
mod pass;
mod placed;
mod presets;
mod spec;
mod stage;
mod suggest;
mod tower;
mod walk;

pub use error::SpecError;
pub use layers::{Layer, Layers, Row, Shape, Share, Table};
pub use memory::StepMemory;
pub use network::{Network, Parameter, Role};
pub use pass::{Mode, Saved, StageGradients, StageOutput};
pub use placed::PlacedNetwork;
pub use spec::{Init, LayerKind, LayerSpec, NetworkSpec, Normal, Op, Rule, Scale};
pub use stage::Stage;
pub use suggest::{explain, nearest};
pub use walk::Tape;
