//! `alexnet predict`: the most probable classes of images.

use std::path::{Path, PathBuf};

use alexnet_data::{Decoder, Pixels};
use alexnet_train::{classify, ranking};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::file;
use crate::message::one_line;
use crate::numbers::within;
use crate::output::{Report, complain, json_path};
use crate::weights::WeightsArguments;

/// Print the most probable classes of images
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// JPEG, PNG, BMP, GIF, WebP or TIFF files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// How many classes to print
    #[arg(long, default_value_t = 5, value_parser = within::<usize>(1..=1_000_000))]
    top: usize,
    /// Print one JSON object a line for each image
    #[arg(long)]
    json: bool,
}

/// The bytes of the largest image that is read.
const LARGEST: u64 = 1 << 30;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let WeightsArguments { checkpoint: path, views, device } = &arguments.weights;
    let compute = device.open()?;
    let checkpoint = arguments.weights.load()?;
    let input = checkpoint.input(path, &compute)?;
    let mut decoder = checkpoint.preprocessing.decoder();
    let network = checkpoint.network_on(std::slice::from_ref(&compute))?;
    let mut failed = 0;
    for image in &arguments.images {
        let read = read(image, &mut decoder);
        let probabilities = match read.and_then(|p| Ok(classify(&network, &input, &p, *views)?)) {
            Ok(probabilities) => probabilities,
            Err(error) => {
                // One bad file does not keep the others from being predicted.
                complain(&format!("error: {}", one_line(&error)));
                failed += 1;
                continue;
            }
        };
        let name = |class: usize| checkpoint.classes.get(class).map_or("?", String::as_str);
        let ranked = ranking(&probabilities, arguments.top);
        if arguments.json {
            let classes: Vec<_> =
                ranked.iter().map(|(c, p)| json!({"class": name(*c), "probability": p})).collect();
            writeln!(Report, "{}", json!({"image": json_path(image), "classes": classes}))?;
        } else {
            writeln!(Report, "{}", image.display())?;
            for (class, probability) in ranked {
                writeln!(Report, "  {:5.1} %  {}", 100.0 * probability, name(class))?;
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} images could not be read", arguments.images.len());
    Ok(())
}

/// The pixels of an image, decoded and resized as the training images were.
pub(crate) fn read(image: &Path, decoder: &mut Decoder) -> Result<Pixels> {
    let bytes = file::read(image, LARGEST)?;
    decoder.decode(&bytes).with_context(|| format!("{}", image.display()))
}
