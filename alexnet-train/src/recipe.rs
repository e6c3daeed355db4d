//! A recipe: every number of a run that is not in the network.

use std::collections::BTreeMap;

use alexnet_data::{Augmentation, ColorNoise, ColorScale, Offsets, Order};
use alexnet_model::{explain, nearest};
use serde::{Deserialize, Serialize};

use crate::{Error, Schedule};

/// Every number of a run that is not in the network. There is no default: a run names all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What people call it.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub about: String,
    /// The network preset it was made for.
    pub network: String,
    /// Images an update.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// What of the last step goes into this one.
    pub momentum: f32,
    /// Rate and decay of all weights at the start.
    pub weights: Rates,
    /// Rate and decay of all biases at the start.
    pub biases: Rates,
    /// Layers that start with rates of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<String, LayerRates>,
    /// Whether images come in another order each epoch.
    pub order: Order,
    /// When rates change.
    pub schedule: Schedule,
    /// How pixels become numbers.
    pub input: InputRecipe,
    /// What training does to images.
    pub augmentation: AugmentationRecipe,
}

/// Rate and decay of a kind of parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Learning rate: what of the batch's mean gradient goes into a step.
    pub rate: f32,
    /// Weight decay, times the rate.
    pub decay: f32,
}

/// A layer's own rates; what is left out is as everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRates {
    /// Of its weights.
    pub weights: Option<Rates>,
    /// Of its biases.
    pub biases: Option<Rates>,
}

/// How pixels of 0–255 become the network's input: `(pixel − mean + colour shift) · scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRecipe {
    /// Which mean is subtracted.
    pub mean: Mean,
    /// Factor of each channel.
    #[serde(default = "ones")]
    pub scale: [f32; 3],
}

/// Which mean of the training images is subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The middle of the mean image, from every crop wherever it is: the original code.
    CentreWindow,
    /// The part of the mean image that the crop covers, flipped with it: the paper, Caffe.
    Aligned,
    /// One number a channel.
    Channel,
}

/// What training does to images, apart from the size of the crop, which is the network's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// Where crops may lie.
    pub offsets: Offsets,
    /// Whether half of the crops are mirrored.
    pub flip: bool,
    /// Consecutive images of a batch that share crop offset and flip.
    pub shared_by: usize,
    /// Colour noise along the principal axes of the training colours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<ColorRecipe>,
}

/// Colour noise along the principal axes of the training colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorRecipe {
    /// Standard deviation of the draws.
    pub sigma: f64,
    /// What a draw is multiplied by.
    pub scale: ColorScale,
    /// What the shifted pixels are divided by while noise is on: 1.1 in the original code, 1 in the paper.
    pub divisor: f32,
}

const PRESETS: [(&str, &str); 7] = [
    ("original", include_str!("../recipes/original.toml")),
    ("paper", include_str!("../recipes/paper.toml")),
    ("one-tower", include_str!("../recipes/one-tower.toml")),
    ("caffe", include_str!("../recipes/caffe.toml")),
    ("torchvision", include_str!("../recipes/torchvision.toml")),
    ("small", include_str!("../recipes/small.toml")),
    ("demo", include_str!("../recipes/demo.toml")),
];

impl Recipe {
    /// The names of the recipes that come with the crate; each has a network of the same name.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The recipe of that name, with `changes` made to it: pairs of a dotted key and a TOML value.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for an unknown name or key, with the nearest right one.
    pub fn preset(name: &str, changes: &[(String, String)]) -> Result<Self, Error> {
        match PRESETS.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Self::from_toml(name, text, changes),
            None => Err(Error::Network(alexnet_model::SpecError::UnknownPreset {
                name: name.to_owned(),
                nearest: nearest(name, Self::presets()),
                known: Self::presets().collect::<Vec<_>>().join(", "),
            })),
        }
    }

    /// Reads a recipe from TOML with `changes` made to it; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for what is no recipe.
    pub fn from_toml(
        origin: &str,
        text: &str,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let fail = |message: String| Error::Recipe { origin: origin.to_owned(), message };
        let mut table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| fail(explain(&e.to_string())))?;
        for (key, value) in changes {
            set(&mut table, key, value).map_err(fail)?;
        }
        let recipe: Self =
            table.try_into().map_err(|e: toml::de::Error| fail(explain(&e.to_string())))?;
        recipe.check().map_err(fail)?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        if self.batch == 0 || self.epochs == 0 {
            return Err(format!(
                "batch = {}, epochs = {}: both must be at least 1",
                self.batch, self.epochs
            ));
        }
        if self.augmentation.shared_by == 0 {
            return Err("augmentation.shared_by must be at least 1".to_owned());
        }
        if self.augmentation.color.is_some_and(|c| c.divisor.is_nan() || c.divisor <= 0.0) {
            return Err("augmentation.color.divisor must be above 0".to_owned());
        }
        self.schedule.check()
    }

    /// Refuses names of layers that `layers` does not have.
    pub(crate) fn check_layers(&self, layers: &[&str]) -> Result<(), Error> {
        let named = self.layers.keys().map(String::as_str).chain(self.schedule.layers());
        for name in named {
            if !layers.contains(&name) {
                let hint =
                    nearest(name, layers.iter().copied()).map(|n| format!(", did you mean `{n}`?"));
                return Err(Error::Recipe {
                    origin: self.name.clone(),
                    message: format!(
                        "the network has no layer `{name}`{}",
                        hint.unwrap_or_default()
                    ),
                });
            }
        }
        Ok(())
    }

    /// What alexnet-data draws for training images; `color` is off in the last epochs of some schedules.
    pub(crate) fn augmentation(&self, crop: [usize; 2], color: bool) -> Augmentation {
        let AugmentationRecipe { offsets, flip, shared_by, color: noise } = self.augmentation;
        let noise = noise.filter(|_| color).map(|c| ColorNoise { sigma: c.sigma, scale: c.scale });
        Augmentation { crop, offsets, flip, shared_by, color: noise }
    }
}

/// Puts `value` at the dotted `key` of `table`, which must be there already or be one a recipe may have.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    // A bare word is a string: `order=stored` needs no quotes.
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        let entry = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = entry.as_table_mut().ok_or_else(|| format!("`{key}`: `{part}` has no parts"))?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}
