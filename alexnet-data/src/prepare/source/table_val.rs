//! A train tree with a folder for each class, and val images whose labels stand in a table.
//!
//! Two datasets are delivered so: ILSVRC 2012 by Kaggle, and Tiny ImageNet. Val images count by
//! their names alone, so those that were sorted into class folders later are found too.

use super::files::ImageFiles;
use super::folder;
use super::listing::Scan;
use super::names::{file_name, is_image};
use super::packed::PackedTree;
use super::packed_folder;
use super::packing::is_junk;
use super::root::Root;
use crate::error::{Error, Result};
use crate::progress::Stage;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Where the images are, and how they get their labels.
pub(super) struct Layout<'a> {
    /// The folder of the train tree.
    pub(super) train: &'a str,
    /// The folder of the val images.
    pub(super) val: &'a str,
    /// The label of a folder of the train tree.
    pub(super) label_of_folder: &'a dyn Fn(&str) -> Result<u32>,
    /// The label of the val image of this file name, if the table has it.
    pub(super) label_of_val: &'a dyn Fn(&str) -> Option<u32>,
    /// The name of the table.
    pub(super) table: &'a str,
}

impl Layout<'_> {
    /// Adds both splits; returns the number of val images.
    pub(super) fn add(&self, root: Root, scan: &mut Scan<'_>) -> Result<usize> {
        match root {
            Root::Folder(folder) => self.add_folder(&folder, scan),
            Root::Packed(tree) => self.add_packed(tree, scan),
        }
    }

    fn add_folder(&self, root: &Path, scan: &mut Scan<'_>) -> Result<usize> {
        let (train, val) = (root.join(self.train), root.join(self.val));
        let folders = folder::class_folders(&train, scan)?;
        let mut labels = HashMap::new();
        for folder in &folders {
            labels.insert(folder, (self.label_of_folder)(&folder.to_string_lossy())?);
        }
        let images = folder::tree("train", &train, &folders, &labels, scan)?;
        scan.add(Stage::Train, images);
        let mut files: Vec<(u32, PathBuf)> = Vec::new();
        for entry in WalkDir::new(&val).follow_links(true) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&val).to_path_buf();
                let circle = || io::Error::other("a link leads back to a folder above it");
                Error::io("read", path)(error.into_io_error().unwrap_or_else(circle))
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(&val).unwrap_or(entry.path());
            match self.label_of_path(&below.to_string_lossy()) {
                Some(label) => files.push((label, below.to_path_buf())),
                None => scan.ignored += 1,
            }
        }
        self.check_val(files.len(), val.clone())?;
        files.sort_by(|a, b| a.1.cmp(&b.1));
        let found = files.len();
        scan.found(found);
        scan.add(Stage::Val, ImageFiles { storage: val, files });
        Ok(found)
    }

    fn add_packed(&self, tree: PackedTree, scan: &mut Scan<'_>) -> Result<usize> {
        let (of_train, of_val) = (format!("{}/", self.train), format!("{}/", self.val));
        let (mut train, mut val) = (Vec::new(), Vec::new());
        for mut file in tree.files {
            if let Some(path) = file.path().strip_prefix(&of_train) {
                let folder = path.split_once('/').map(|(folder, _)| folder);
                let Some(folder) = folder.filter(|_| is_image(Path::new(path))) else {
                    scan.ignored += 1;
                    continue;
                };
                let (label, path) = ((self.label_of_folder)(folder)?, path.into());
                file.rename(path);
                train.push((label, file));
            } else if let Some(path) = file.path().strip_prefix(&of_val) {
                let Some(label) = self.label_of_path(path) else {
                    scan.ignored += 1;
                    continue;
                };
                let path = path.into();
                file.rename(path);
                val.push((label, file));
            }
        }
        if train.is_empty() {
            let problem = "holds no image in a class folder";
            return Err(Error::source(tree.path.join(self.train), problem));
        }
        self.check_val(val.len(), tree.path.join(self.val))?;
        // By path alone, as in a folder: labels are not in the order of val's names.
        let (found, archive) = (val.len(), tree.archive);
        packed_folder::add(Stage::Train, archive.clone(), train, scan)?;
        val.sort_by(|a, b| a.1.path().cmp(b.1.path()));
        packed_folder::refuse_twice(Stage::Val, &archive, &val)?;
        scan.add(Stage::Val, ImageFiles { storage: archive, files: val });
        Ok(found)
    }

    fn label_of_path(&self, path: &str) -> Option<u32> {
        let taken = !is_junk(path) && is_image(Path::new(path));
        (self.label_of_val)(file_name(path)).filter(|_| taken)
    }

    fn check_val(&self, found: usize, path: PathBuf) -> Result<()> {
        let problem = format!("holds none of the images of {}", self.table);
        if found == 0 { Err(Error::source(path, problem)) } else { Ok(()) }
    }
}
