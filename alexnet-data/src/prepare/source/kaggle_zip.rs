//! Kaggle's zip as downloaded, whose files are read in place.

use super::archive::Archive;
use super::files::{ImageFiles, Location};
use super::kaggle_tables::{CLASSES, IMAGES, SOLUTION, Tables};
use super::listing::{LoadError, Scan};
use super::names::is_image;
use super::zip::{ZipFile, walk};
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::progress::Stage;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The name of the zip at Kaggle.
const ZIP: &str = "imagenet-object-localization-challenge.zip";
/// The images as one tar.gz, inside the zip or beside the tables, which cannot be read in place.
const TAR_GZ: &str = "imagenet_object_localization_patched2019.tar.gz";
/// The most bytes of a table; the real ones have a few million.
const MAX_TABLE: u64 = 1 << 26;

/// The zip that the input is or holds.
pub(super) fn find(input: &Path) -> Option<PathBuf> {
    if input.is_file() {
        return input.extension().is_some_and(|e| e == "zip").then(|| input.into());
    }
    Some(input.join(ZIP)).filter(|zip| zip.is_file() && !input.join(IMAGES).is_dir())
}

/// Refuses a folder whose images are one tar.gz, and says how to unpack it.
pub(super) fn check_unpacked(input: &Path) -> Result<()> {
    if input.join(TAR_GZ).is_file() && !input.join(IMAGES).is_dir() {
        return Err(unpack(input, &format!("cd {} && tar xzf {TAR_GZ}", input.display())));
    }
    Ok(())
}

fn unpack(path: &Path, how: &str) -> Error {
    let problem = format!(
        "holds its images as {TAR_GZ}, which cannot be read in place: unpack it once (`{how}`), \
         and give the folder"
    );
    Error::source(path, problem)
}

pub(super) fn list(zip: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let archive = Archive::open(zip)?;
    // Named by their paths below the folders train and val.
    let (mut train_files, mut val_files) = (Vec::new(), Vec::new());
    let (mut tables, mut has_tar_gz, mut reported) = (HashMap::new(), false, 0);
    walk(&archive, |mut file| {
        let name = file.name.replace('\\', "/");
        if let Some(path) = below(&name, &format!("{IMAGES}/train/")) {
            file.name = path.into();
            match is_image(Path::new(path)) && path.contains('/') {
                true => train_files.push(file),
                false => scan.ignored += 1,
            }
        } else if let Some(path) = below(&name, &format!("{IMAGES}/val/")) {
            file.name = path.into();
            val_files.push(file);
        } else if let Some(table) = [CLASSES, SOLUTION].into_iter().find(|t| name.ends_with(t)) {
            tables.insert(table, file);
        }
        has_tar_gz |= name.ends_with(TAR_GZ);
        if train_files.len() + val_files.len() - reported == 10_000 {
            reported += 10_000;
            scan.found(10_000);
        }
    })?;
    if has_tar_gz && train_files.is_empty() && val_files.is_empty() {
        return Err(unpack(zip, &format!("unzip {} && tar xzf {TAR_GZ}", zip.display())));
    }
    let tables = Tables::read(zip, |name| {
        let missing = format!("holds no {name}; expected it beside the folder {IMAGES}");
        let file: &ZipFile = tables.get(name).ok_or_else(|| Error::source(zip, missing))?;
        file.read(&archive, MAX_TABLE).map_err(|e| match e {
            LoadError::Image(reason) => Error::source(zip.join(name), reason),
            LoadError::Input(error) => error,
        })
    })?;
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for file in train_files {
        let folder = file.name.split('/').next().unwrap_or_default();
        let label = tables.label_of_folder(folder, &zip.join(IMAGES).join("train"))?;
        train.push((label, file));
    }
    for file in val_files {
        match tables.label_of_val(Path::new(&*file.name)) {
            Some(label) => val.push((label, file)),
            None => scan.ignored += 1,
        }
    }
    // The order of the unpacked tree, so that both give the same dataset.
    train.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.name.split('/').cmp(b.1.name.split('/'))));
    val.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    for (split, images) in [("train", &train), ("val", &val)] {
        if images.is_empty() {
            let problem = "holds no image of the tables";
            return Err(Error::source(zip.join(IMAGES).join(split), problem));
        }
        if let Some(twice) = images.windows(2).find(|w| w[0].1.name == w[1].1.name) {
            return Err(Error::source(zip, format!("holds {} twice", twice[0].1.name)));
        }
    }
    tables.note_missing_val(val.len(), scan);
    scan.add(Stage::Train, ImageFiles { storage: Archive::open(zip)?, files: train });
    scan.add(Stage::Val, ImageFiles { storage: archive, files: val });
    Ok(tables.classes)
}

/// What follows `folder` in a path, whatever comes before it.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let start = path.find(folder)?;
    let whole = start == 0 || path[..start].ends_with('/');
    whole.then(|| &path[start + folder.len()..])
}
