//! A folder for each class, with images at any depth below it.

use super::files::ImageFiles;
use super::listing::{Format, Scan};
use super::names::{is_image, names_in};
use crate::error::{Error, Result, few};
use crate::manifest::Class;
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

pub(super) const FORMAT: Format = Format {
    name: "folder",
    default_size: 256,
    recognise: |candidate| candidate.folders.iter().any(|name| !name.starts_with('.')),
    list,
};

/// Lists the train tree and the val tree.
pub(super) fn list(input: &Path, val: Option<&Path>, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let (train_root, val_root) = roots(input, val)?;
    let folders = class_folders(&train_root, scan)?;
    let classes: Vec<_> = folders.iter().map(|name| Class::named(name.to_string_lossy())).collect();
    let mut names = HashSet::new();
    if let Some(twice) = classes.iter().find(|c| !names.insert(&c.name)) {
        let name = &twice.name;
        let problem =
            format!("two class folders have the name `{name}` when read as UTF-8: rename one");
        return Err(Error::source(train_root, problem));
    }
    let labels: HashMap<_, _> = folders.iter().zip(0u32..).collect();
    let train = tree("train", &train_root, &folders, &labels, scan)?;
    scan.add(Stage::Train, train);
    if let Some(root) = val_root {
        let folders = class_folders(&root, scan)?;
        let unknown = folders.iter().filter(|name| !labels.contains_key(name));
        let unknown: Vec<_> = unknown.map(|name| name.to_string_lossy().into_owned()).collect();
        if !unknown.is_empty() {
            let (n, of, train) = (unknown.len(), labels.len(), train_root.display());
            let problem = format!(
                "{n} class folders are not among the {of} of {train}: {}; remove them, or add \
                 them to train",
                few(&unknown)
            );
            return Err(Error::source(root, problem));
        }
        let val = tree("val", &root, &folders, &labels, scan)?;
        scan.add(Stage::Val, val);
    }
    Ok(classes)
}

/// The roots of the train tree and of the val tree.
fn roots(input: &Path, val: Option<&Path>) -> Result<(PathBuf, Option<PathBuf>)> {
    must_be_folder(input)?;
    if let Some(val) = val {
        must_be_folder(val)?;
        let canonical = |p: &Path| p.canonicalize().map_err(Error::io("read", p));
        if canonical(val)?.starts_with(canonical(input)?) {
            let problem = format!(
                "the val tree lies inside the train tree {}: give the train tree alone as input",
                input.display()
            );
            return Err(Error::source(val, problem));
        }
        return Ok((input.into(), Some(val.into())));
    }
    let (train, val) = (input.join("train"), input.join("val"));
    match (train.is_dir(), val.is_dir()) {
        (true, true) => Ok((train, Some(val))),
        (true, false) if is_tree(&train) => {
            let problem = "holds a tree `train` but no tree `val`: give the train tree itself as \
                           input (and the val tree as val, if there is one)";
            Err(Error::source(input, problem))
        }
        _ => Ok((input.into(), None)),
    }
}

fn must_be_folder(path: &Path) -> Result<()> {
    if !fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
        let problem = "is no folder; expected one that holds a folder for each class";
        return Err(Error::source(path, problem));
    }
    Ok(())
}

/// Whether a folder named `train` is a tree of classes, and not a class of images of trains.
fn is_tree(path: &Path) -> bool {
    let names = names_in(path).unwrap_or_default();
    names.iter().any(|name| path.join(name).is_dir()) && !names.iter().any(|n| is_image(n.as_ref()))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// The names of the class folders under `root`, sorted by their bytes.
pub(super) fn class_folders(root: &Path, scan: &mut Scan<'_>) -> Result<Vec<OsString>> {
    let mut folders = Vec::new();
    for name in names_in(root)? {
        // A link to a folder counts as one, because people make trees of such links.
        if root.join(&name).is_dir() && !is_hidden(&name) {
            folders.push(name);
        } else {
            scan.ignored += 1;
        }
    }
    if folders.is_empty() {
        let problem =
            "holds no class folders; expected one folder for each class, with the images in it";
        return Err(Error::source(root, problem));
    }
    folders.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    Ok(folders)
}

/// The images of one tree, with their paths below its root.
pub(super) fn tree(
    split: &str,
    root: &Path,
    folders: &[OsString],
    labels: &HashMap<&OsString, u32>,
    scan: &mut Scan<'_>,
) -> Result<ImageFiles<PathBuf>> {
    let mut files = Vec::new();
    for folder in folders {
        let images = class(split, root, folder, scan);
        if images.is_empty() {
            let name = folder.to_string_lossy();
            scan.note(split, &name, Action::Noted, "a class folder without images");
        }
        scan.found(images.len());
        files.extend(images.into_iter().map(|path| (labels[folder], path)));
    }
    if files.is_empty() {
        let problem = "holds no .jpg, .jpeg or .png file in its class folders";
        return Err(Error::source(root, problem));
    }
    Ok(ImageFiles { storage: root.into(), files })
}

/// The images of one class folder, as paths below `root`, in sorted order.
fn class(split: &str, root: &Path, folder: &OsStr, scan: &mut Scan<'_>) -> Vec<PathBuf> {
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_path_buf();
    let mut images = Vec::new();
    let mut walk = WalkDir::new(root.join(folder))
        .follow_links(true) // with an error for a link that leads to a folder above it
        .sort_by(|a, b| a.file_name().as_encoded_bytes().cmp(b.file_name().as_encoded_bytes()))
        .into_iter();
    while let Some(entry) = walk.next() {
        let (path, reason) = match entry {
            Ok(entry) if entry.depth() > 0 && is_hidden(entry.file_name()) => {
                scan.ignored += 1;
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            Ok(entry) if entry.file_type().is_dir() => continue,
            Ok(entry) if !is_image(entry.path()) => {
                scan.ignored += 1;
                continue;
            }
            Ok(entry) if entry.file_type().is_file() => {
                images.push(below(entry.path()));
                continue;
            }
            // To open a pipe would wait forever.
            Ok(entry) => (entry.into_path(), "not a regular file".to_owned()),
            Err(error) => {
                let circle = || "a link that leads back to a folder above it".to_owned();
                let reason = error.io_error().map_or_else(circle, ToString::to_string);
                (error.path().unwrap_or(root).to_path_buf(), reason)
            }
        };
        scan.note(split, &below(&path).to_string_lossy(), Action::Skipped, &reason);
    }
    images
}
