//! ILSVRC 2012 from Kaggle: a train tree, a flat val folder and two tables, unpacked or in a zip.

use super::files::ImageFiles;
use super::folder::{class_folders, tree};
use super::kaggle_tables::{CLASSES, IMAGES, SOLUTION, Tables};
use super::kaggle_zip;
use super::listing::{Format, Scan};
use super::names::names_in;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::progress::Stage;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: Format = Format {
    name: "kaggle",
    default_size: 256,
    recognise: |candidate| {
        let path = candidate.path;
        candidate.has_file(CLASSES)
            || path.join(IMAGES).is_dir()
            || kaggle_zip::find(path).is_some()
            || kaggle_zip::check_unpacked(path).is_err()
    },
    list: |input, _, scan| list(input, scan),
};

fn list(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    if let Some(zip) = kaggle_zip::find(input) {
        return kaggle_zip::list(&zip, scan);
    }
    kaggle_zip::check_unpacked(input)?;
    let tables = Tables::read(input, |name| {
        let path = input.join(name);
        if !path.exists() {
            let expected = format!("expected it beside the folder {IMAGES}, as unpacked");
            return Err(Error::source(input, format!("holds no {name}; {expected}")));
        }
        fs::read(&path).map_err(Error::io("read", path))
    })?;
    let (train, val) = (input.join(IMAGES).join("train"), input.join(IMAGES).join("val"));
    let folders = class_folders(&train, scan)?;
    let mut labels: HashMap<&OsString, u32> = HashMap::new();
    for folder in &folders {
        labels.insert(folder, tables.label_of_folder(&folder.to_string_lossy(), &train)?);
    }
    let train = tree("train", &train, &folders, &labels, scan)?;
    scan.add(Stage::Train, train);
    let mut files = Vec::new();
    for name in names_in(&val)?.into_iter().map(PathBuf::from) {
        match tables.label_of_val(&name) {
            Some(label) => files.push((label, name)),
            None => scan.ignored += 1,
        }
    }
    if files.is_empty() {
        return Err(Error::source(val, format!("holds none of the images of {SOLUTION}")));
    }
    files.sort_by(|a, b| a.1.cmp(&b.1));
    tables.note_missing_val(files.len(), scan);
    scan.add(Stage::Val, ImageFiles { storage: val, files });
    Ok(tables.classes)
}
