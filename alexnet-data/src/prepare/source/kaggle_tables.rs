//! The layout of Kaggle's files, and their two tables: the classes, and the labels of val.

use super::listing::Scan;
use super::names::is_wnid;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::Action;
use std::collections::HashMap;
use std::path::Path;

/// The folder of the images.
pub(super) const IMAGES: &str = "ILSVRC/Data/CLS-LOC";
/// The table of the classes.
pub(super) const CLASSES: &str = "LOC_synset_mapping.txt";
/// The table of the val images.
pub(super) const SOLUTION: &str = "LOC_val_solution.csv";

/// The two tables.
pub(super) struct Tables {
    pub(super) classes: Vec<Class>,
    /// The label of each WordNet id.
    labels: HashMap<String, u32>,
    /// The label of each val image, by its name without extension.
    val: HashMap<String, u32>,
}

impl Tables {
    /// Parses the tables, whose bytes `read` gets by their names; `path` is the input.
    pub(super) fn read(path: &Path, read: impl Fn(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let classes = classes(&String::from_utf8_lossy(&read(CLASSES)?), &path.join(CLASSES))?;
        let labels: HashMap<_, _> = classes.iter().map(|c| c.name.clone()).zip(0u32..).collect();
        let solution = read(SOLUTION)?;
        let val = val(&String::from_utf8_lossy(&solution), &labels, &path.join(SOLUTION))?;
        Ok(Self { classes, labels, val })
    }

    /// The label of a folder of the train tree `path`.
    pub(super) fn label_of_folder(&self, folder: &str, path: &Path) -> Result<u32> {
        self.labels.get(folder).copied().ok_or_else(|| {
            let problem = format!("holds the folder {folder:?}, which {CLASSES} does not list");
            Error::source(path, problem)
        })
    }

    /// The label of a val image, if the table has it.
    pub(super) fn label_of_val(&self, name: &Path) -> Option<u32> {
        self.val.get(name.file_stem()?.to_string_lossy().as_ref()).copied()
    }

    /// Notes how many val images of the table are missing among the `found` ones.
    pub(super) fn note_missing_val(&self, found: usize, scan: &mut Scan<'_>) {
        if found < self.val.len() {
            let reason = format!("{} of its images are not there", self.val.len() - found);
            scan.note("val", SOLUTION, Action::Noted, &reason);
        }
    }
}

/// Parses lines of a WordNet id and its words; returns the classes with ids ascending.
fn classes(text: &str, path: &Path) -> Result<Vec<Class>> {
    let mut classes = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let (id, words) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if !is_wnid(id) {
            let problem = format!("line {} starts with no WordNet id as n01440764", n + 1);
            return Err(Error::source(path, problem));
        }
        let words = Some(words.trim().to_owned()).filter(|w| !w.is_empty());
        classes.push(Class { name: id.into(), words, devkit_id: None });
    }
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    match classes.windows(2).find(|w| w[0].name == w[1].name) {
        Some(twice) => Err(Error::source(path, format!("lists {} twice", twice[0].name))),
        None if classes.is_empty() => Err(Error::source(path, "lists no class")),
        None => Ok(classes),
    }
}

/// Parses lines `ILSVRC2012_val_00048981,n03995372 85 1 499 272 …`: an image, its class, its boxes.
fn val(text: &str, labels: &HashMap<String, u32>, path: &Path) -> Result<HashMap<String, u32>> {
    let mut val = HashMap::new();
    for (n, line) in text.lines().enumerate().skip(1).filter(|(_, l)| !l.trim().is_empty()) {
        let (image, prediction) = line.split_once(',').unwrap_or((line, ""));
        let id = prediction.split_whitespace().next().unwrap_or_default();
        let wrong = || format!("line {} names no class of {CLASSES}: expected image,id …", n + 1);
        let label = labels.get(id).ok_or_else(|| Error::source(path, wrong()))?;
        val.insert(image.trim().to_owned(), *label);
    }
    Ok(val)
}
