//! Which source an input is, told by the names of its files.

use super::archive::is_wnid;
use super::ilsvrc::{Y2010, Y2012};
use super::{Source, kaggle, kaggle_zip, wrong};
use crate::Error;
use std::fs;
use std::path::Path;

pub(super) fn detect(input: &Path) -> Result<Source, Error> {
    let is_tar = |name: &str| name.ends_with(".tar");
    let metadata = fs::metadata(input).map_err(Error::io("read", input))?;
    if metadata.is_file() {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return match is_tar(&name) {
            true if name.contains("fall11") || name.strip_suffix(".tar").is_some_and(is_wnid) => {
                Ok(Source::Fall2011)
            }
            true => Ok(Source::WebDataset),
            false if kaggle_zip::zip_of(input).is_some() => Ok(Source::Kaggle),
            false => Err(unknown(input)),
        };
    }
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(input).map_err(Error::io("read", input))? {
        let entry = entry.map_err(Error::io("read", input))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() { folders.push(name) } else { files.push(name) }
    }
    let file = |name: &str| files.iter().any(|f| f == name);
    let folder = |name: &str| folders.iter().any(|f| f == name);
    let inside = |folder: &str| {
        let entries = fs::read_dir(input.join(folder)).into_iter().flatten().flatten();
        entries.into_iter().any(|e| is_tar(&e.file_name().to_string_lossy()))
    };
    let kaggle = file("LOC_synset_mapping.txt")
        || input.join(kaggle::IMAGES).is_dir()
        || kaggle_zip::zip_of(input).is_some()
        || kaggle_zip::packed(input).is_some();
    let source = if file(Y2012.train) {
        Source::Ilsvrc2012
    } else if file(Y2010.train) {
        Source::Ilsvrc2010
    } else if file("data_batch_1.bin") || folder("cifar-10-batches-bin") {
        Source::Cifar10
    } else if file("train.bin") && file("test.bin") || folder("cifar-100-binary") {
        Source::Cifar100
    } else if kaggle {
        Source::Kaggle
    } else if files.iter().any(|f| f.strip_suffix(".tar").is_some_and(is_wnid)) {
        Source::Fall2011
    } else if files.iter().any(|f| is_tar(f)) || inside("train") {
        Source::WebDataset
    } else if folders.iter().any(|f| !f.starts_with('.')) {
        Source::Folder
    } else {
        return Err(unknown(input));
    };
    Ok(source)
}

fn unknown(input: &Path) -> Error {
    let names: Vec<_> = Source::ALL.iter().map(|s| s.name()).collect();
    let problem = format!(
        "looks like no source known ({}): give the folder with the archives or the class folders, \
         or name the source",
        names.join(", ")
    );
    wrong(input, problem)
}
