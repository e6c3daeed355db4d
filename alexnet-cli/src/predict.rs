//! `alexnet predict`: the most probable classes of images.

use std::path::{Path, PathBuf};

use alexnet_data::{Pixels, decode};
use alexnet_train::{Checkpoint, classify, ranking};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::message::one_line;
use crate::weights::WeightsArguments;

/// Print the most probable classes of images
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// JPEG or PNG files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// How many classes to print
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// Print one JSON object a line for each image
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let WeightsArguments { checkpoint: path, views, device } = &arguments.weights;
    let compute = device.open()?;
    let checkpoint = Checkpoint::load(path)?;
    let (input, stored) = checkpoint.input(path, &compute)?;
    let network = checkpoint.network_on(std::slice::from_ref(&compute))?;
    let mut failed = 0;
    for image in &arguments.images {
        let read = read(image, stored[0].min(stored[1]));
        let probabilities = match read.and_then(|p| Ok(classify(&network, &input, &p, *views)?)) {
            Ok(probabilities) => probabilities,
            Err(error) => {
                // One bad file does not keep the others from being predicted.
                eprintln!("error: {}", one_line(&error));
                failed += 1;
                continue;
            }
        };
        let name = |class: usize| checkpoint.classes.get(class).map_or("?", String::as_str);
        let ranked = ranking(&probabilities, arguments.top);
        if arguments.json {
            let classes: Vec<_> =
                ranked.iter().map(|(c, p)| json!({"class": name(*c), "probability": p})).collect();
            println!("{}", json!({"image": image, "classes": classes}));
        } else {
            println!("{}", image.display());
            for (class, probability) in ranked {
                println!("  {:5.1} %  {}", 100.0 * probability, name(class));
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} images could not be read", arguments.images.len());
    Ok(())
}

/// The pixels of an image, decoded and resized as the training images were.
fn read(image: &Path, size: usize) -> Result<Pixels> {
    let bytes = std::fs::read(image).with_context(|| format!("{}", image.display()))?;
    decode(&bytes, size).with_context(|| format!("{}", image.display()))
}
