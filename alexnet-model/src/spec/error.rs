//! What can be wrong with a network's description.

use thiserror::Error;

/// What is wrong with a network's description.
#[derive(Debug, Error)]
pub enum SpecError {
    /// No preset has this name.
    #[error("unknown preset `{name}`{}; the presets are {known}", hint(.nearest))]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The one most like it.
        nearest: Option<&'static str>,
        /// All of them, for the message.
        known: String,
    },
    /// Images that are smaller than what any preset takes.
    #[error(
        "no preset takes images of {side} px, only of {least} px and more (they are made for \
         {sizes}): prepare the dataset with a larger --size, or give a network of your own with \
         --network"
    )]
    NoPresetFor {
        /// Height and width of the images.
        side: usize,
        /// The smallest side of all crops.
        least: usize,
        /// The sizes that presets are made for, with their names, for the message.
        sizes: String,
    },
    /// Not TOML, or not a network.
    #[error("{origin}: {message}")]
    Syntax {
        /// Preset or file.
        origin: String,
        /// What the parser says, in one line.
        message: String,
    },
    /// Another number of devices than of towers.
    #[error(
        "network `{network}` has {towers} tower(s), but {devices} devices are named: \
         name one device, or one a tower"
    )]
    Towers {
        /// The network.
        network: String,
        /// Its towers.
        towers: usize,
        /// The devices.
        devices: usize,
    },
    /// A patch that cannot be made to a network.
    #[error("network `{network}`: {reason}")]
    Patch {
        /// The network.
        network: String,
        /// Why not.
        reason: String,
    },
    /// Layers that a network does not have.
    #[error("network `{network}`, layers `{selection}`: {reason}")]
    Selection {
        /// The network.
        network: String,
        /// What was asked for.
        selection: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer that cannot be.
    #[error("network `{network}`, layer `{layer}`: {reason}")]
    Layer {
        /// The network.
        network: String,
        /// The layer.
        layer: String,
        /// What is wrong and what would be right.
        reason: String,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default()
}
