//! The networks that come with the crate, each a TOML file under `presets/`.

use super::NetworkSpec;
use super::error::SpecError;
use super::suggest::nearest;

const PRESETS: [(&str, &str); 7] = [
    ("original", include_str!("../../presets/original.toml")),
    ("paper", include_str!("../../presets/paper.toml")),
    ("one-tower", include_str!("../../presets/one-tower.toml")),
    ("caffe", include_str!("../../presets/caffe.toml")),
    ("torchvision", include_str!("../../presets/torchvision.toml")),
    ("small", include_str!("../../presets/small.toml")),
    ("demo", include_str!("../../presets/demo.toml")),
];

impl NetworkSpec {
    /// The names of the networks that come with the crate.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The network of that name.
    ///
    /// # Errors
    ///
    /// [`SpecError::UnknownPreset`], with the nearest right name.
    pub fn preset(name: &str) -> Result<Self, SpecError> {
        match PRESETS.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Self::from_toml(name, text),
            None => Err(SpecError::UnknownPreset {
                name: name.to_owned(),
                nearest: nearest(name, Self::presets()),
                known: Self::presets().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}
