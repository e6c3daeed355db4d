//! The networks that come with the crate, each a TOML file under `presets/`.

use std::collections::BTreeMap;

use super::NetworkSpec;
use super::error::SpecError;
use super::suggest::nearest;

const PRESETS: [(&str, &str); 18] = [
    ("original", include_str!("../../presets/original.toml")),
    ("paper", include_str!("../../presets/paper.toml")),
    ("one-tower", include_str!("../../presets/one-tower.toml")),
    ("no-overlap", include_str!("../../presets/no-overlap.toml")),
    ("no-lrn", include_str!("../../presets/no-lrn.toml")),
    ("sixth-conv", include_str!("../../presets/sixth-conv.toml")),
    ("fall-2011", include_str!("../../presets/fall-2011.toml")),
    ("caffe", include_str!("../../presets/caffe.toml")),
    ("caffenet", include_str!("../../presets/caffenet.toml")),
    ("torchvision", include_str!("../../presets/torchvision.toml")),
    ("small", include_str!("../../presets/small.toml")),
    ("demo", include_str!("../../presets/demo.toml")),
    ("cifar", include_str!("../../presets/cifar.toml")),
    ("cifar-18pct", include_str!("../../presets/cifar-18pct.toml")),
    ("cifar-13pct", include_str!("../../presets/cifar-13pct.toml")),
    ("cifar-11pct", include_str!("../../presets/cifar-11pct.toml")),
    ("figure-1-relu", include_str!("../../presets/figure-1-relu.toml")),
    ("figure-1-tanh", include_str!("../../presets/figure-1-tanh.toml")),
];

impl NetworkSpec {
    /// The names of the networks that come with the crate.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The name of the network for images stored at `side` × `side` pixels: the first that is made
    /// for them, or else the first that is made for the largest ones and whose crops fit.
    ///
    /// # Errors
    ///
    /// [`SpecError::NoPresetFor`], with the sizes there are, for images smaller than every crop.
    ///
    /// ```
    /// # use alexnet_model::NetworkSpec;
    /// assert_eq!(NetworkSpec::preset_for(256)?, "original");
    /// assert_eq!(NetworkSpec::preset_for(32)?, "cifar");
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn preset_for(side: usize) -> Result<&'static str, SpecError> {
        let (mut best, mut least) = (None, usize::MAX);
        let mut sizes: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for name in Self::presets() {
            let Self { input: [_, h, w], stored, .. } = Self::preset(name)?;
            let (Some(stored), crop) = (stored, h.max(w)) else { continue };
            if stored == side {
                return Ok(name);
            }
            if crop <= side && best.is_none_or(|(_, largest)| stored > largest) {
                best = Some((name, stored));
            }
            least = least.min(crop);
            sizes.entry(stored).or_default().push(name);
        }
        best.map(|(name, _)| name).ok_or_else(|| {
            let sizes =
                sizes.iter().map(|(size, names)| format!("{size} px: {}", names.join(", ")));
            let sizes = sizes.collect::<Vec<_>>().join("; ");
            SpecError::NoPresetFor { side, least, sizes }
        })
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
