//! Families of weights: what the files of one source have in common that they do not say. Each is a
//! file `families/NAME.toml` of this crate.

use std::collections::BTreeMap;

use alexnet_data::{Crop, Resample};
use alexnet_model::{LayerKind, NetworkSpec, SpecError};
use include_dir::{Dir, File, include_dir};
use serde::Deserialize;

use super::operation::ORDERED;

static FAMILIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/families");

/// What is known of the weights of one source.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    /// Its name, as `--as` takes it.
    pub(crate) name: String,
    /// Whose weights they are, in words.
    pub(crate) about: String,
    /// Where its facts come from.
    pub(crate) source: String,
    /// The preset of its network.
    pub(crate) preset: String,
    /// The order of its classes, where there are a thousand.
    pub(crate) classes: ClassOrder,
    /// How its tensors are called, in one format or another.
    pub(crate) naming: Vec<Naming>,
    /// How its images became pixels.
    pub(crate) preprocessing: FamilyPreprocessing,
    /// How pixels became its network's input.
    pub(crate) input: FamilyInput,
}

/// The order of the thousand classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClassOrder {
    /// That of the WordNet ids, as [`alexnet_data::imagenet_classes`] has them.
    Imagenet,
}

/// Names of tensors: those of the layers in two patterns, where `{}` stands for the layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Naming {
    /// That of a weight.
    pub(crate) weight: String,
    /// That of a bias.
    pub(crate) bias: String,
    /// How a layer of the preset is called; as in the preset, if it is not here.
    #[serde(default)]
    pub(crate) layers: BTreeMap<String, String>,
}

/// How images became pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyPreprocessing {
    /// The side of the images in pixels, of which the network sees crops.
    pub(crate) stored: usize,
    /// How images were resized.
    pub(crate) resample: Resample,
    /// Which part of them was kept.
    pub(crate) crop: Crop,
}

/// How pixels became the network's input: `(pixel − mean) / std`, for pixels of 0 to `range`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyInput {
    /// The order of the channels, also in `mean` and `std`.
    pub(crate) colors: Colors,
    /// What the brightest pixel is.
    pub(crate) range: f64,
    /// The mean of each channel.
    pub(crate) mean: [f64; 3],
    /// What each channel is divided by.
    #[serde(default = "ones")]
    pub(crate) std: [f64; 3],
    /// The usual names of the file of its mean image, where it has one.
    #[serde(default)]
    pub(crate) mean_files: Vec<String>,
}

/// The order of the channels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Colors {
    /// Red first, as everywhere in this program.
    Rgb,
    /// Blue first, as in OpenCV and Caffe.
    Bgr,
}

impl Family {
    /// The names of the families, sorted.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FAMILIES.files().filter_map(|file| file.path().file_stem()?.to_str())
    }

    /// The family of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let text = FAMILIES.get_file(format!("{name}.toml")).and_then(File::contents_utf8)?;
        toml::from_str(text).ok() // a test reads each
    }

    /// All families.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::names().filter_map(Self::named)
    }

    /// Its network, with as many classes as in the preset.
    pub(crate) fn network(&self) -> Result<NetworkSpec, SpecError> {
        NetworkSpec::preset(&self.preset)
    }

    /// How its tensors may be called; last as in this program.
    pub(crate) fn namings(&self) -> impl Iterator<Item = Naming> {
        self.naming.iter().cloned().chain([Naming::ours()])
    }
}

impl Naming {
    /// That of this program, which is PyTorch's for modules of these names.
    pub(crate) fn ours() -> Self {
        let [weight, bias] = ["{}.weight", "{}.bias"].map(str::to_owned);
        Self { weight, bias, layers: BTreeMap::new() }
    }

    /// The names of a layer's weight and bias.
    pub(crate) fn of(&self, layer: &str) -> [String; 2] {
        let name = self.layers.get(layer).map_or(layer, String::as_str);
        [&self.weight, &self.bias].map(|pattern| pattern.replace("{}", name))
    }
}

impl FamilyInput {
    /// The mean of red, green and blue, of pixels of 0 to 255.
    pub(crate) fn mean_color(&self) -> [f32; 3] {
        self.rgb(self.mean.map(|mean| mean * 255.0 / self.range))
    }

    /// What red, green and blue are multiplied by, of pixels of 0 to 255.
    pub(crate) fn scale(&self) -> [f32; 3] {
        self.rgb(self.std.map(|std| self.range / 255.0 / std))
    }

    fn rgb(&self, [a, b, c]: [f64; 3]) -> [f32; 3] {
        let rgb = match self.colors {
            Colors::Rgb => [a, b, c],
            Colors::Bgr => [c, b, a],
        };
        rgb.map(|value| value as f32)
    }
}

/// The layers of a network whose order tells networks apart, by their words.
pub(crate) fn ordered(network: &NetworkSpec) -> Vec<&'static str> {
    let words = network.layers.iter().map(|layer| LayerKind::word(&layer.kind));
    words.filter(|word| ORDERED.contains(word)).collect()
}

fn ones() -> [f64; 3] {
    [1.0; 3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn every_family_can_be_read() {
        assert_eq!(Family::names().collect::<Vec<_>>(), ["caffe", "caffenet", "torchvision"]);
        for (family, name) in Family::all().zip(Family::names()) {
            assert_eq!(family.name, name);
            let network = family.network().unwrap();
            assert_eq!(network.stored, Some(family.preprocessing.stored), "{name}");
            assert_eq!(Recipe::preset(&family.preset, &[]).unwrap().network, family.preset);
            let layers: Vec<_> = network.select("all").unwrap();
            for naming in family.namings() {
                assert!(naming.layers.keys().all(|layer| layers.contains(&&layer[..])), "{name}");
            }
        }
        assert_eq!(Family::all().count(), Family::names().count());
    }

    /// Pixels enter as the recipes of the presets say.
    #[test]
    fn inputs_are_those_of_the_recipes() {
        for family in Family::all() {
            let recipe = Recipe::preset(&family.preset, &[]).unwrap();
            for (ours, theirs) in family.input.scale().into_iter().zip(recipe.input.scale) {
                assert!((ours - theirs).abs() <= 1e-6 * theirs, "{}", family.name);
            }
        }
        let mean = |name| Family::named(name).unwrap().input.mean_color();
        assert_eq!(mean("caffe"), [122.67891, 116.66877, 104.00699]);
        assert_eq!(mean("torchvision"), [123.675, 116.28, 103.53]);
    }

    #[test]
    fn the_order_of_norms_and_pools_tells_the_two_of_caffe_apart() {
        let order = |name| ordered(&NetworkSpec::preset(name).unwrap())[..4].to_vec();
        assert_eq!(order("caffe"), ["conv", "lrn", "max-pool", "conv"]);
        assert_eq!(order("caffenet"), ["conv", "max-pool", "lrn", "conv"]);
    }
}
