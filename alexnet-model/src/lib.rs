#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod memory_plan;
mod network;
mod spec;

pub use memory_plan::StepMemory;
pub use network::Network;
pub use network::frozen::FrozenLayers;
pub use network::fused_layer::{FusedLayer, FusedPool, Mode};
pub use network::layer_pass::LayerGradients;
pub use network::parameter::{Parameter, Role};
pub use network::pass::Images;
pub use network::tape::{Tape, TowerTape};
pub use network::tower::Tower;
pub use spec::error::SpecError;
pub use spec::patch::{NetworkPatch, Removal};
pub use spec::shapes::{Shape, Share};
pub use spec::suggest::{explain, nearest};
pub use spec::toml_text::to_toml;
pub use spec::{Init, LayerKind, LayerSpec, NetworkSpec, Rule, Scale};
