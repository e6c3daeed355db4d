//! What weights are good for, without the weights: it travels with files of other formats.

use alexnet_data::Preprocessing;
use alexnet_model::NetworkSpec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::recipe::Recipe;

/// The entry of a file's metadata that has a description.
pub(crate) const KEY: &str = "alexnet_description";

/// The name of a file, or of a file within an archive, that has a description.
pub(crate) const FILE: &str = "alexnet.json";

/// The largest side of the images of a description that a file brings: the largest of datasets.
const LARGEST: usize = 4096;

/// What has to be known to use the weights of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub network: NetworkSpec,
    /// The recipe it was trained with, which says how pixels become its input.
    pub recipe: Recipe,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// How image files become pixels.
    pub preprocessing: Preprocessing,
}

/// What travels as text: the description and, where the mean image is no tensor beside it, that.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Travelling {
    description: Description,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<TravellingMean>,
}

/// A mean image `(H, W, 3)` as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TravellingMean {
    /// Every pixel of it.
    Color([f32; 3]),
    /// Its numbers in Base64, each of four bytes, little-endian.
    Image(String),
}

impl Description {
    /// This description as JSON text, and in it the numbers of a mean image `(H, W, 3)`, if one is
    /// given: as one pixel where all are the same.
    ///
    /// # Errors
    ///
    /// Numbers that JSON cannot hold.
    pub(crate) fn to_text(&self, mean: Option<&[f32]>) -> Result<String, serde_json::Error> {
        let mean = mean.map(|values| match values.as_chunks::<3>() {
            ([first, rest @ ..], []) if rest.iter().all(|pixel| pixel == first) => {
                TravellingMean::Color(*first)
            }
            _ => {
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                TravellingMean::Image(STANDARD.encode(bytes))
            }
        });
        serde_json::to_string(&Travelling { description: self.clone(), mean })
    }

    /// What [`to_text`](Self::to_text) wrote, from a file that may say anything: the description,
    /// and the numbers of the mean image if they are in the text.
    ///
    /// # Errors
    ///
    /// What is wrong with it: no such text, a network or a recipe that cannot be, another number of
    /// classes than the network's, a mean image of another size than the images.
    pub(crate) fn from_text(text: &str) -> Result<(Self, Option<Vec<f32>>), String> {
        let Travelling { description, mean } =
            serde_json::from_str(text).map_err(|e| format!("it cannot be read: {e}"))?;
        let Self { network, recipe, classes, preprocessing } = &description;
        network.fused_layers().map_err(|e| e.to_string())?;
        recipe.check().map_err(|reason| format!("recipe {}: {reason}", recipe.name))?;
        if Some(classes.len()) != network.classes() {
            let outputs = network.classes().unwrap_or(0);
            return Err(format!("{} names for {outputs} classes", classes.len()));
        }
        let Preprocessing { height, width, .. } = *preprocessing;
        let ([_, h, w], sides) = (network.input, 1..=LARGEST);
        if !sides.contains(&height) || !sides.contains(&width) || height < h || width < w {
            return Err(format!("images of {height} × {width} for crops of {h} × {w}"));
        }
        let count = height * width * 3;
        let mean = match mean {
            None => None,
            Some(TravellingMean::Color(color)) => Some(color.repeat(height * width)),
            Some(TravellingMean::Image(text)) => {
                let bytes = STANDARD.decode(text).map_err(|e| format!("its mean image: {e}"))?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if numbers.len() != count || !rest.is_empty() {
                    let bytes = bytes.len();
                    return Err(format!("a mean image of {bytes} bytes, expected {}", 4 * count));
                }
                Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
        };
        Ok((description, mean))
    }
}

impl Checkpoint {
    /// What has to be known to use these weights.
    pub fn description(&self) -> Description {
        Description {
            network: self.network.clone(),
            recipe: self.recipe.clone(),
            classes: self.classes.clone(),
            preprocessing: self.preprocessing,
        }
    }
}

#[cfg(test)]
mod tests {
    use alexnet_data::{Crop, Exif, Resample};

    use super::*;

    fn description() -> Description {
        let network = NetworkSpec::preset("cifar").unwrap();
        let (resample, crop, exif) = (Resample::Area, Crop::Centre, Exif::Ignore);
        Description {
            classes: (0..network.classes().unwrap()).map(|i| i.to_string()).collect(),
            recipe: Recipe::preset("cifar", &[]).unwrap(),
            preprocessing: Preprocessing { height: 32, width: 32, resample, crop, exif },
            network,
        }
    }

    #[test]
    fn descriptions_travel_to_the_bit() {
        let described = description();
        let colors = [0.1_f32, 117.3, 99.9].repeat(32 * 32);
        let image: Vec<f32> = (0..32 * 32 * 3).map(|i| i as f32 / 7.0).collect();
        for (mean, longest) in [(None, 3000), (Some(&colors), 3100), (Some(&image), 20_000)] {
            let text = described.to_text(mean.map(Vec::as_slice)).unwrap();
            assert!(text.len() < longest, "{}", text.len());
            assert_eq!(Description::from_text(&text).unwrap(), (described.clone(), mean.cloned()));
        }
    }

    /// A text of a stranger is refused with what is wrong with it.
    #[test]
    fn impossible_descriptions_are_refused() {
        let refused = |change: &dyn Fn(&mut Description), said: &str| {
            let mut described = description();
            change(&mut described);
            let error = Description::from_text(&described.to_text(None).unwrap()).unwrap_err();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        };
        refused(&|d| d.preprocessing.height = 1 << 40, "crops of");
        refused(&|d| d.preprocessing.width = 8, "images of 32 × 8");
        refused(&|d| drop(d.classes.pop()), "9 names for 10 classes");
        refused(&|d| d.network.layers.clear(), "layer");
        refused(&|d| d.recipe.batch = 0, "batch = 0");
        let short = description().to_text(Some(&[1.0, 2.0, 3.0, 4.0])).unwrap();
        assert!(Description::from_text(&short).unwrap_err().contains("16 bytes, expected 12288"));
        let begin = r#"{"description":{"network":{"layers":[{"x":"#;
        let deep = begin.to_owned() + &"[".repeat(100_000);
        assert!(Description::from_text(&deep).unwrap_err().contains("recursion"));
    }
}
