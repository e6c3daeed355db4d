//! A recipe: every number of a run that is not in the network.

pub(crate) mod changed_value;
pub(crate) mod curve;
pub(crate) mod freeze;
pub(crate) mod plateau;
pub(crate) mod ranges;
pub(crate) mod rates;
pub(crate) mod schedule;

use std::collections::BTreeMap;

use alexnet_data::{Augmentation, ColorNoise, ColorScale, Offsets, Order, ResizedCrop};
use alexnet_model::{NetworkSpec, SpecError, explain, nearest, to_toml};
use include_dir::{Dir, File, include_dir};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::recipe::curve::WarmUp;
use crate::recipe::schedule::{Moment, Schedule};

/// Every number of a run that is not in the network. There are no defaults: a recipe names each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// One line about it.
    #[serde(default)]
    pub about: String,
    /// The network preset it was made for.
    pub network: String,
    /// Images in a batch, of which each makes one update.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// The share of the last step that is added to this one.
    pub momentum: f32,
    /// Rate and decay of all weights at the start.
    pub weights: Rates,
    /// Rate and decay of all biases at the start.
    pub biases: Rates,
    /// Layers with rates of their own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<String, LayerRates>,
    /// Whether images come in another order each epoch.
    pub order: Order,
    /// When rates change.
    pub schedule: Schedule,
    /// How rates rise at the beginning, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// How pixels become numbers.
    pub input: InputRecipe,
    /// How training images are varied.
    pub augmentation: AugmentationRecipe,
}

/// Rate and decay of a kind of parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Learning rate: the factor of the mean gradient of a batch.
    pub rate: f32,
    /// Weight decay, which is multiplied by the rate.
    pub decay: f32,
}

/// A layer's own rates. For what is left out the recipe's hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRates {
    /// Those of its weights.
    pub weights: Option<OwnRates>,
    /// Those of its biases.
    pub biases: Option<OwnRates>,
}

/// A layer's own rate, decay, or both, of a kind of parameter. With a rate of its own it goes its
/// own way: changes of the schedule for all layers leave its rate as it is. With a decay of its own
/// it follows them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRates {
    /// Learning rate, if not the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f32>,
    /// Weight decay, if not the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<f32>,
}

/// How pixels of 0–255 become the network's input: `(pixel − mean + colour shift) · scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRecipe {
    /// Which mean is subtracted.
    pub mean: Mean,
    /// Factor of each channel, 1 unless given.
    #[serde(default = "ones")]
    pub scale: [f32; 3],
}

/// Which mean of the training images is subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The middle of the mean image, for every crop wherever it lies, as in the original code.
    CentreWindow,
    /// The part of the mean image that the crop covers, flipped with it, as in the paper and Caffe.
    Aligned,
    /// One number for each channel.
    Channel,
}

/// How training images are varied. The size of the crops is the network's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// Where crops may lie.
    pub offsets: Offsets,
    /// Which parts are resized to crops, where their size is random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resized: Option<ResizedCrop>,
    /// Whether half of the crops are mirrored.
    pub flip: bool,
    /// How many consecutive images of a batch share crop offset and flip.
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
    /// What shifted pixels are divided by: 1.1 in the original code, 1 in the paper.
    pub divisor: f32,
}

static RECIPES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/recipes");

impl Recipe {
    /// The recipe of the preset `name`, the file `recipes/NAME.toml` of this crate, with `changes`
    /// made to it: pairs of a dotted key and a TOML value. [`presets`](Self::presets) has the
    /// names.
    ///
    /// ```
    /// use alexnet_train::Recipe;
    ///
    /// let recipe = Recipe::preset("original", &[("epochs", "2")])?;
    /// assert_eq!((recipe.batch, recipe.epochs, recipe.weights.rate), (128, 2, 0.01));
    /// # Ok::<(), alexnet_train::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Network`] for an unknown name and [`Error::Recipe`] for an unknown key, with the
    /// nearest right one; [`Error::Recipe`] for a value that cannot be.
    pub fn preset(name: &str, changes: &[(&str, &str)]) -> Result<Self, Error> {
        let file = RECIPES.get_file(format!("{name}.toml")).and_then(File::contents_utf8);
        let file = file.ok_or_else(|| SpecError::UnknownPreset {
            name: name.to_owned(),
            nearest: nearest(name, Self::presets()),
            known: Self::presets().collect::<Vec<_>>().join(", "),
        })?;
        Self::from_toml(name, file, changes)
    }

    /// The names of the recipes that come with the crate: one for each network preset, which has
    /// its name, and then others for the same networks.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        let names = RECIPES.files().filter_map(|file| file.path().file_stem()?.to_str());
        let others = names.filter(|name| NetworkSpec::presets().all(|network| network != *name));
        NetworkSpec::presets().chain(others)
    }

    /// Reads a recipe from TOML with `changes` made to it; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for text that is not a recipe.
    pub fn from_toml(origin: &str, text: &str, changes: &[(&str, &str)]) -> Result<Self, Error> {
        let fail = |message: String| Error::Recipe { origin: origin.to_owned(), message };
        let unreadable = |e: toml::de::Error| fail(explain(&e.to_string()));
        let mut table: toml::Table = text.parse().map_err(unreadable)?;
        for (key, value) in changes {
            set(&mut table, key, value).map_err(fail)?;
        }
        let recipe: Self = table.try_into().map_err(unreadable)?;
        recipe.check().map_err(fail)?;
        Ok(recipe)
    }

    /// The recipe as TOML, which [`from_toml`](Self::from_toml) reads back to the same.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for numbers that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, Error> {
        to_toml(self).map_err(|message| Error::Recipe { origin: self.name.clone(), message })
    }

    /// The same recipe over `epochs` epochs, with each change at the same share of the run. The
    /// changes of a recipe of 90 epochs come at a tenth of theirs where there are 9.
    ///
    /// ```
    /// use alexnet_model::Role;
    /// use alexnet_train::{Moment, Recipe};
    ///
    /// let recipe = Recipe::preset("original", &[])?.scaled_to(9);
    /// let at = |epoch| recipe.rates(Moment { epoch, step: 0 }, "conv2", Role::Weight);
    /// let rate = |epoch| at(epoch).rate;
    /// assert_eq!([rate(2), rate(3), rate(5), rate(8)], [0.01, 1e-3, 1e-4, 1e-5]);
    /// # Ok::<(), alexnet_train::Error>(())
    /// ```
    #[must_use]
    pub fn scaled_to(mut self, epochs: usize) -> Self {
        let share = epochs as f64 / self.epochs as f64;
        if let Schedule::Fixed { changes } = &mut self.schedule {
            for place in changes.iter_mut().flat_map(|c| [&mut c.epoch, &mut c.step]).flatten() {
                *place = (*place as f64 * share).round() as usize;
            }
        }
        if let Some(warm_up) = &mut self.warm_up {
            warm_up.steps = (warm_up.steps as f64 * share).round().max(1.0) as usize;
        }
        self.epochs = epochs;
        self
    }

    /// Refuses names of layers that `network` does not have.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] with such a name, and the nearest right one.
    pub fn check_layers(&self, network: &NetworkSpec) -> Result<(), Error> {
        let layers = || network.layers.iter().map(|layer| layer.name.as_str());
        let mut named = self.layers.keys().map(String::as_str).chain(self.schedule.layers());
        let unknown = named.find(|name| layers().all(|layer| layer != *name));
        let Some(name) = unknown else { return Ok(()) };
        let hint = nearest(name, layers());
        let hint = hint.map_or(String::new(), |nearest| format!(", did you mean `{nearest}`?"));
        let message = format!("the network has no layer `{name}`{hint}");
        Err(Error::Recipe { origin: self.name.clone(), message })
    }

    /// The augmentation for crops of height and width `crop`, with the colour noise or without it.
    pub(crate) fn augmentation(&self, crop: [usize; 2], with_noise: bool) -> Augmentation {
        let AugmentationRecipe { offsets, resized, flip, shared_by, color: noise } =
            self.augmentation;
        let noise =
            noise.filter(|_| with_noise).map(|c| ColorNoise { sigma: c.sigma, scale: c.scale });
        Augmentation { crop, offsets, resized, flip, shared_by, color: noise }
    }

    /// What the pixels of training images are divided by: that of the colour noise, while there is
    /// any.
    pub(crate) fn divisor(&self, at: Moment) -> f32 {
        let noise = self.augmentation.color.filter(|_| self.schedule.has_color_noise(at));
        noise.map_or(1.0, |noise| noise.divisor)
    }
}

/// Sets the dotted `key` of `table` to `value`. Whether recipes have such a key is checked later.
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
