//! `config.json` as timm, the library of image models of the Hub, writes it.

use alexnet_data::{Crop, Preprocessing, Resample, imagenet_words};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::export::weights::Weights;
use crate::input::subtracted_mean;
use crate::recipe::Mean;

/// The file. Its means and deviations are those of pixels of 0 to 1, one of each for a channel.
pub(super) fn text(weights: &Weights, is_torchvision: bool) -> Result<String, Error> {
    let description = &weights.description;
    let network = &description.network;
    let [channels, h, w] = network.input;
    let Preprocessing { height, resample, crop, .. } = description.preprocessing;
    let mean: Vec<f32> = subtracted_mean(Mean::Channel, &weights.mean_image, [h, w])?.to_vec1()?;
    let mean: Vec<f64> = mean.iter().map(|mean| rounded(f64::from(*mean) / 255.0)).collect();
    let std = description.recipe.input.scale.map(|scale| rounded(1.0 / (255.0 * f64::from(scale))));
    let [first, last] = if is_torchvision { ["features.0", "classifier.6"] } else { ends(weights) };
    let mut config = json!({
        "architecture": if is_torchvision { "alexnet" } else { &network.name },
        "num_classes": description.classes.len(),
        "label_names": description.classes,
        "pretrained_cfg": {
            "input_size": [channels, h, w],
            "fixed_input_size": true,
            "interpolation": interpolation(resample),
            "crop_pct": h as f64 / height as f64,
            "crop_mode": crop_mode(crop),
            "mean": mean,
            "std": std,
            "num_classes": description.classes.len(),
            "first_conv": first,
            "classifier": last,
        },
    });
    let words = |name: &String| Some((name.clone(), Value::from(imagenet_words(name)?)));
    let words: Map<String, Value> = description.classes.iter().filter_map(words).collect();
    if !words.is_empty() {
        config["label_descriptions"] = Value::Object(words);
    }
    let text = serde_json::to_string_pretty(&config);
    Ok(text.map_err(candle_core::Error::wrap)? + "\n")
}

/// The names of the first and the last layer with weights.
fn ends(weights: &Weights) -> [&str; 2] {
    let layers = weights.description.network.layers.iter();
    let mut names = layers.filter(|l| l.kind.has_parameters()).map(|layer| &layer.name[..]);
    let first = names.next().unwrap_or_default();
    [first, names.next_back().unwrap_or(first)]
}

/// The nearest of the rules for resizing that Pillow has, in timm's words.
fn interpolation(resample: Resample) -> &'static str {
    match resample {
        Resample::Area | Resample::Box => "box",
        Resample::Bicubic => "bicubic",
        Resample::Lanczos => "lanczos",
        Resample::Bilinear | Resample::Linear => "bilinear",
    }
}

/// What is kept of an image, in timm's words.
fn crop_mode(crop: Crop) -> &'static str {
    match crop {
        Crop::Centre | Crop::Torchvision => "center",
        Crop::Whole => "squash",
    }
}

/// To seven digits, as many as an f32 has.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}
