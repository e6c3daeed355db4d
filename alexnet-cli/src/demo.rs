//! The demo dataset, for training without data: drawn, and then prepared as any folder of images.

use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, PrepareOptions, Source, prepare};
use anyhow::Result;
use tempfile::TempDir;

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
    draw(images, output)?;
    Ok(output.to_owned())
}

/// The demo dataset for a run that is only tried out: that of `data/demo`, or one in a temporary
/// folder, which `drawn` keeps.
pub(crate) fn try_dataset(print: &dyn Fn(&str), drawn: &mut Option<TempDir>) -> Result<PathBuf> {
    if Path::new("data/demo/manifest.json").exists() {
        return dataset(print);
    }
    print("no --data given: drawing the demo dataset, 10 classes, into a temporary folder");
    let folder = drawn.insert(tempfile::tempdir()?).path();
    let output = folder.join("demo");
    draw(&folder.join("images"), &output)?;
    Ok(output)
}

fn draw(images: &Path, output: &Path) -> Result<()> {
    let options = PrepareOptions::new(Source::Demo, images, output);
    with_bar("demo dataset", |report| prepare(&options, &|p| report(p.done, p.total)))?;
    Ok(())
}
