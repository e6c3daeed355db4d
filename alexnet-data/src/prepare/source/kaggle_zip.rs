//! Kaggle's zip as downloaded: the unpacked layout's files, read in place.

use super::folder::is_image_name;
use super::kaggle::{CLASSES, IMAGES, SOLUTION, classes, solution};
use super::packed::Archive;
use super::zipped::{File, Zipped, walk};
use super::{Listing, found, wrong};
use crate::Error;
use crate::prepare::report::{Action, Odd};
use crate::prepare::{Progress, Stage};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The name it has at Kaggle.
const ZIP: &str = "imagenet-object-localization-challenge.zip";
/// The images as one file, inside the zip or beside its tables: a tar.gz has no places to read at.
const PACKED: &str = "imagenet_object_localization_patched2019.tar.gz";
/// The tables are read up to this length; the real ones have a few million bytes.
const MAX_TABLE: u64 = 1 << 26;

/// The zip of an input, where it is or has one.
pub(super) fn zip_of(input: &Path) -> Option<PathBuf> {
    if input.is_file() {
        return input.extension().is_some_and(|e| e == "zip").then(|| input.into());
    }
    Some(input.join(ZIP)).filter(|zip| zip.is_file() && !input.join(IMAGES).is_dir())
}

/// Where the input's images are one packed file, what to do about it.
pub(super) fn packed(input: &Path) -> Option<Error> {
    let there = input.join(PACKED).is_file() && !input.join(IMAGES).is_dir();
    there.then(|| unpack(input, &format!("cd {} && tar xzf {PACKED}", input.display())))
}

fn unpack(path: &Path, how: &str) -> Error {
    let problem = format!(
        "holds its images as {PACKED}, which cannot be read in place: unpack it once (`{how}`), \
         and give the folder"
    );
    wrong(path, problem)
}

/// An image of the zip before it has a label: its split, its path below it, its place.
type Found = (bool, String, File);

pub(super) fn list(zip: &Path, progress: &(dyn Fn(Progress) + Sync)) -> Result<Listing, Error> {
    let archive = Archive::open(zip)?;
    let (mut tables, mut images, mut ignored, mut packed) =
        (HashMap::new(), Vec::<Found>::new(), 0, false);
    walk(&archive, |name, file| {
        let name = name.replace('\\', "/");
        if let Some(path) = below(&name, &format!("{IMAGES}/train/")) {
            match is_image_name(Path::new(path)) && path.contains('/') {
                true => images.push((true, path.into(), file)),
                false => ignored += 1,
            }
        } else if let Some(path) = below(&name, &format!("{IMAGES}/val/")) {
            images.push((false, path.into(), file));
        } else if let Some(table) = [CLASSES, SOLUTION].into_iter().find(|t| name.ends_with(t)) {
            tables.insert(table, file);
        }
        packed |= name.ends_with(PACKED);
        if images.len() % 10_000 == 0 {
            found(progress, images.len());
        }
        Ok(())
    })?;
    if packed && images.is_empty() {
        return Err(unpack(zip, &format!("unzip {} && tar xzf {PACKED}", zip.display())));
    }
    let table = |name: &str| {
        let file = tables.get(name).ok_or_else(|| {
            wrong(zip, format!("holds no {name}; expected it beside the folder {IMAGES}"))
        })?;
        let bytes = file.read(&archive, MAX_TABLE).map_err(|e| wrong(&zip.join(name), e))?;
        Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let classes = classes(&table(CLASSES)?, &zip.join(CLASSES))?;
    let by_name: HashMap<_, _> = classes.iter().map(|c| c.name.as_str()).zip(0u32..).collect();
    let solution = solution(&table(SOLUTION)?, &by_name, &zip.join(SOLUTION))?;
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for (is_train, path, file) in images {
        if is_train {
            let folder = path.split('/').next().unwrap_or_default();
            let Some(&label) = by_name.get(folder) else {
                let problem = format!("holds the folder {folder:?}, which {CLASSES} does not list");
                return Err(wrong(&zip.join(IMAGES).join("train"), problem));
            };
            train.push((label, path.into_boxed_str(), file));
        } else {
            let stem = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy();
            match solution.get(stem.as_ref()) {
                Some(&label) => val.push((label, path.into_boxed_str(), file)),
                None => ignored += 1,
            }
        }
    }
    // The order of the unpacked tree, so that both give the same dataset.
    train.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.split('/').cmp(b.1.split('/'))));
    val.sort_by(|a, b| a.1.cmp(&b.1));
    for (name, items) in [("train", &train), ("val", &val)] {
        if items.is_empty() {
            return Err(wrong(&zip.join(IMAGES).join(name), "holds no image of the tables"));
        }
        if let Some(twice) = items.windows(2).find(|w| w[0].1 == w[1].1) {
            return Err(wrong(zip, format!("holds {} twice", twice[0].1)));
        }
    }
    let mut odd = Vec::new();
    if val.len() < solution.len() {
        let reason = format!("{} of its images are not there", solution.len() - val.len());
        odd.push(Odd::new("val", SOLUTION.into(), Action::Noted, reason));
    }
    let train = Zipped { archive: Archive::open(zip)?, items: train };
    let val = Zipped { archive, items: val };
    let splits = vec![(Stage::Train, Box::new(train) as _), (Stage::Val, Box::new(val) as _)];
    Ok(Listing { classes, splits, ignored, odd })
}

/// What follows `folder` in a path, wherever the folder lies.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let start = path.find(folder)?;
    let whole = start == 0 || path[..start].ends_with('/');
    whole.then(|| &path[start + folder.len()..])
}
