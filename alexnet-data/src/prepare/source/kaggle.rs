//! ILSVRC 2012 as Kaggle delivers it: a train tree, a flat val folder, two tables; unpacked or zipped.

use super::archive::is_wnid;
use super::folder::{Scan, Tree};
use super::{Listing, kaggle_zip, wrong};
use crate::prepare::report::{Action, Odd};
use crate::prepare::{Progress, Stage};
use crate::{Class, Error};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const IMAGES: &str = "ILSVRC/Data/CLS-LOC";
pub(super) const CLASSES: &str = "LOC_synset_mapping.txt";
pub(super) const SOLUTION: &str = "LOC_val_solution.csv";

pub(super) fn list(input: &Path, progress: &(dyn Fn(Progress) + Sync)) -> Result<Listing, Error> {
    if let Some(zip) = kaggle_zip::zip_of(input) {
        return kaggle_zip::list(&zip, progress);
    }
    if let Some(error) = kaggle_zip::packed(input) {
        return Err(error);
    }
    let table = |name: &str| {
        let path = input.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let problem =
                    format!("holds no {name}; expected it beside the folder {IMAGES}, as unpacked");
                Err(wrong(input, problem))
            }
            Err(e) => Err(Error::io("read", path)(e)),
        }
    };
    let classes = classes(&table(CLASSES)?, &input.join(CLASSES))?;
    let by_name: HashMap<_, _> = classes.iter().map(|c| c.name.as_str()).zip(0u32..).collect();
    let (train, val) = (input.join(IMAGES).join("train"), input.join(IMAGES).join("val"));
    let mut scan = Scan::new(progress);
    let folders = scan.class_folders(&train)?;
    let labels: HashMap<&OsString, u32> =
        folders.iter().filter_map(|f| Some((f, *by_name.get(f.to_str()?)?))).collect();
    if let Some(other) = folders.iter().find(|f| !labels.contains_key(f)) {
        let problem = format!("holds the folder {other:?}, which {CLASSES} does not list");
        return Err(wrong(&train, problem));
    }
    let train = scan.tree("train", &train, &folders, &labels)?;
    let solution = solution(&table(SOLUTION)?, &by_name, &input.join(SOLUTION))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&val).map_err(Error::io("read", &val))? {
        let name = entry.map_err(Error::io("read", &val))?.file_name();
        let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy();
        match solution.get(stem.as_ref()) {
            Some(&label) => files.push((label, PathBuf::from(&name))),
            None => scan.ignored += 1,
        }
    }
    if files.is_empty() {
        return Err(wrong(&val, format!("holds none of the images of {SOLUTION}")));
    }
    files.sort_by(|a, b| a.1.cmp(&b.1));
    if files.len() < solution.len() {
        let reason = format!("{} of its images are not there", solution.len() - files.len());
        scan.odd.push(Odd::new("val", SOLUTION.into(), Action::Noted, reason));
    }
    let val = Tree { root: val, files };
    let splits = vec![(Stage::Train, Box::new(train) as _), (Stage::Val, Box::new(val) as _)];
    Ok(Listing { classes, splits, ignored: scan.ignored, odd: scan.odd })
}

/// Lines of a WordNet id and its words, ids ascending.
pub(super) fn classes(text: &str, path: &Path) -> Result<Vec<Class>, Error> {
    let mut classes = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let (id, words) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if !is_wnid(id) {
            let problem = format!("line {} starts with no WordNet id as n01440764", n + 1);
            return Err(wrong(path, problem));
        }
        let words = Some(words.trim().to_owned()).filter(|w| !w.is_empty());
        classes.push(Class { name: id.into(), words, devkit_id: None });
    }
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    match classes.windows(2).find(|w| w[0].name == w[1].name) {
        Some(twice) => Err(wrong(path, format!("lists {} twice", twice[0].name))),
        None if classes.is_empty() => Err(wrong(path, "lists no class")),
        None => Ok(classes),
    }
}

/// Lines `ILSVRC2012_val_00048981,n03995372 85 1 499 272 …`: an image, its class, its boxes.
pub(super) fn solution(
    text: &str,
    labels: &HashMap<&str, u32>,
    path: &Path,
) -> Result<HashMap<String, u32>, Error> {
    let mut solution = HashMap::new();
    for (n, line) in text.lines().enumerate().skip(1).filter(|(_, l)| !l.trim().is_empty()) {
        let (image, prediction) = line.split_once(',').unwrap_or((line, ""));
        let id = prediction.split_whitespace().next().unwrap_or_default();
        let label = labels.get(id).ok_or_else(|| {
            wrong(path, format!("line {} names no class of {CLASSES}: expected image,id …", n + 1))
        })?;
        solution.insert(image.trim().to_owned(), *label);
    }
    Ok(solution)
}
