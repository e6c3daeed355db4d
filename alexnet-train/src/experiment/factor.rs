//! The factors of an ablation: what the paper says helps, and the networks and recipes without it.

use std::collections::BTreeMap;

use alexnet_model::{NetworkPatch, NetworkSpec, nearest};
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::recipe_patch::RecipePatch;
use crate::error::Error;

/// Something that a network or a recipe has, and what is trained to see what it is worth.
///
/// Each is a file `ablations/NAME.toml` of this crate.
///
/// ```
/// use alexnet_model::NetworkSpec;
/// use alexnet_train::{Arm, Factor, Recipe};
///
/// let recipe = Recipe::preset("original", &[])?;
/// let base = Arm::base(NetworkSpec::preset("original")?, recipe);
/// let arms = Factor::preset("overlap")?.arms_of(&base)?;
/// assert_eq!(arms[0].network.layers, NetworkSpec::preset("no-overlap")?.layers);
/// # Ok::<(), alexnet_train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Its name, as `--vary` takes it.
    pub name: String,
    /// The section of the paper.
    pub section: String,
    /// What it is, in words.
    pub about: String,
    /// What the paper says that it is worth.
    pub published: String,
    /// The authors' runs behind that.
    pub run: String,
    /// What is trained in its place.
    pub arms: Vec<ArmPatch>,
}

/// A network and a recipe as changes to a base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmPatch {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// For an arm of each layer of these kinds that is neither the network's first nor its last:
    /// there, `LAYER` stands for the layer's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<String>,
    /// The changes to the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkPatch>,
    /// The changes to the recipe.
    #[serde(default)]
    pub recipe: RecipePatch,
    /// Other changes for the networks of these names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instead: BTreeMap<String, Changes>,
}

/// Changes to a network and a recipe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The changes to the network.
    #[serde(default)]
    pub network: Vec<NetworkPatch>,
    /// The changes to the recipe.
    #[serde(default)]
    pub recipe: RecipePatch,
}

static FACTORS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ablations");

impl Factor {
    /// The names of the factors that come with the crate.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        FACTORS.files().filter_map(|file| file.path().file_stem()?.to_str())
    }

    /// The factor of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Factor`] for an unknown name, with the nearest right one.
    pub fn preset(name: &str) -> Result<Self, Error> {
        let file = FACTORS.get_file(format!("{name}.toml"));
        let text = file.and_then(include_dir::File::contents_utf8).ok_or_else(|| {
            let known = Self::presets().collect::<Vec<_>>().join(", ");
            let hint = nearest(name, Self::presets());
            let hint = hint.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            Error::Factor(format!("nothing to vary is called `{name}`{hint}; there are {known}"))
        })?;
        toml::from_str(text).map_err(|e| Error::Factor(format!("{name}: {e}")))
    }

    /// What is trained to see what this factor is worth for `base`.
    ///
    /// # Errors
    ///
    /// [`Error::Factor`] where the base does not have it.
    pub fn arms_of(&self, base: &Arm) -> Result<Vec<Arm>, Error> {
        let (mut arms, mut reason) = (Vec::new(), None);
        for patch in self.arms.iter().flat_map(|arm| arm.for_layers(&base.network)) {
            match patch.apply(base) {
                Ok(arm) => arms.push(Arm { published: self.published.clone(), ..arm }),
                // One of several may be what the base has already.
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        match reason {
            Some(reason) if arms.is_empty() => {
                Err(Error::Factor(format!("`{}` cannot be varied: {reason}", self.name)))
            }
            _ => Ok(arms),
        }
    }
}

impl ArmPatch {
    /// This arm, or one for each layer of its kinds.
    fn for_layers(&self, network: &NetworkSpec) -> Vec<Self> {
        if self.each.is_empty() {
            return vec![self.clone()];
        }
        let inner = |index: &usize| *index > 0 && index + 1 < network.layers.len();
        let layers = network.layers.iter().enumerate().filter(|(index, layer)| {
            inner(index) && self.each.iter().any(|kind| kind == layer.kind.word())
        });
        let with = |layer: &str| {
            let mut arm = self.clone();
            arm.name = arm.name.replace("LAYER", layer);
            arm.about = arm.about.replace("LAYER", layer);
            for name in arm.network.iter_mut().flat_map(|patch| &mut patch.layers) {
                *name = name.replace("LAYER", layer);
            }
            arm
        };
        layers.map(|(_, layer)| with(&layer.name)).collect()
    }

    fn apply(&self, base: &Arm) -> Result<Arm, Error> {
        let Changes { network, recipe } = match self.instead.get(&base.network.name) {
            Some(instead) => instead.clone(),
            None => Changes { network: self.network.clone(), recipe: self.recipe.clone() },
        };
        base.changed(&self.name, &self.about, &network, &recipe)
    }
}
