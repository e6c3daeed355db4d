//! The demo dataset, for training without data: drawn, and then prepared as any folder of images.

use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, PrepareOptions, Source, prepare};
use anyhow::Result;

use crate::progress::with_bar;

/// The demo dataset in `data/demo`, which is made unless it exists.
pub(crate) fn dataset(print: &dyn Fn(&str)) -> Result<PathBuf> {
    let (images, output) = (Path::new("data/demo-images"), Path::new("data/demo"));
    if output.join("manifest.json").exists() {
        Dataset::open(output)?;
        print("no --data given: training on the demo dataset in data/demo");
        return Ok(output.to_owned());
    }
    print(
        "no --data given: drawing the demo dataset, 10 classes of textured shapes, into data/demo",
    );
    let options = PrepareOptions::new(Source::Demo, images, output);
    with_bar("demo dataset", |report| prepare(&options, &|p| report(p.done, p.total)))?;
    Ok(output.to_owned())
}
