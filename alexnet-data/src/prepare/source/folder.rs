//! A folder for each class, with images at any depth below it.

use super::class_files::class_files;
use super::entries::{EntryKind, entries, looks_like_image};
use super::files::ImageFiles;
use super::folder_layout::{check_classes, is_tree, note_unused, trees};
use super::links::resolved_folders;
use super::listing::{Format, Scan};
use super::names::{is_hidden, text_of};
use super::packed_folder;
use crate::error::{Error, Result, few};
use crate::manifest::Class;
use crate::prepare::report::{Action, Faults};
use crate::progress::Stage;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: Format = Format {
    name: "folder",
    default_size: 256,
    recognise: |candidate| {
        candidate.folders.iter().any(|name| !name.starts_with('.'))
            || packed_folder::recognise(candidate)
    },
    list,
};

/// Lists the train tree and those of val and test.
pub(super) fn list(input: &Path, val: Option<&Path>, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    if input.is_file() {
        return packed_folder::list(input, val, scan);
    }
    let trees = trees(input, val, scan)?;
    let folders = class_folders(&trees.train, scan)?;
    let classes: Vec<_> = folders.iter().map(|name| Class::named(text_of(name))).collect();
    let mut names = HashSet::new();
    if let Some(twice) = classes.iter().find(|c| !names.insert(&c.name)) {
        let name = &twice.name;
        let problem = format!("two class folders have the name `{name}` as text: rename one");
        return Err(Error::source(trees.train, problem));
    }
    let labels: HashMap<_, _> = folders.iter().zip(0u32..).collect();
    let mut others = Vec::new();
    if let Some(root) = trees.val {
        let folders = class_folders(&root, scan)?;
        others.push((Stage::Val, root, folders));
    }
    if let Some(root) = trees.test {
        // Test images often have no labels.
        let folders = if is_tree(&root)? { class_folders(&root, scan)? } else { Vec::new() };
        if folders.iter().any(|name| labels.contains_key(name)) {
            others.push((Stage::Test, root, folders));
        } else {
            let name = root.file_name().unwrap_or_default();
            let what = "a test split without the class folders of train, so without labels";
            note_unused(scan, input, name, what);
        }
    }
    let train = tree("train", &trees.train, &folders, &labels, scan)?;
    check_classes(&trees.train, &train.files)?;
    scan.add(Stage::Train, train);
    for (stage, root, folders) in others {
        let unknown = folders.iter().filter(|name| !labels.contains_key(name));
        let unknown: Vec<_> = unknown.map(text_of).collect();
        if !unknown.is_empty() {
            let (n, of, train) = (unknown.len(), labels.len(), trees.train.display());
            let problem = format!(
                "{n} class folders are not among the {of} of {train}: {}; remove them, or add \
                 them to train",
                few(&unknown)
            );
            return Err(Error::source(root, problem));
        }
        let images = tree(stage.split(), &root, &folders, &labels, scan)?;
        scan.add(stage, images);
    }
    Ok(classes)
}

/// The names of the class folders under `root`, sorted by their bytes.
pub(super) fn class_folders(root: &Path, scan: &mut Scan<'_>) -> Result<Vec<OsString>> {
    let folders = entries(root)?.0.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
    let folders: Vec<_> = folders.map(|e| e.name).filter(|name| !is_hidden(name)).collect();
    if folders.is_empty() {
        let problem =
            "holds no class folders; expected one folder for each class, with the images in it";
        return Err(Error::source(root, problem));
    }
    scan.class_folders.extend(resolved_folders(root, &folders)?);
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
    note_beside_classes(split, root, scan)?;
    let mut files = Vec::new();
    for folder in folders {
        let images = class_files(split, root, folder, scan)?;
        if images.is_empty() {
            let reason = "a class folder without images";
            scan.note(split, &text_of(folder), Action::Noted, reason);
        }
        scan.found(images.len());
        files.extend(images.into_iter().map(|path| (labels[folder], path)));
    }
    if files.is_empty() {
        let lines = scan.report.iter().filter(|line| line.split == split);
        let faults = lines.collect::<Faults>();
        return Err(faults.no_images(root, "holds no image (.jpg, .png, …) in its class folders"));
    }
    Ok(ImageFiles { storage: root.into(), files })
}

/// Reports the images beside the class folders of a tree, which have no class.
fn note_beside_classes(split: &str, root: &Path, scan: &mut Scan<'_>) -> Result<()> {
    let (entries, junk) = entries(root)?;
    scan.ignored += junk;
    for entry in entries {
        let path = root.join(&entry.name);
        let reason = match entry.kind {
            EntryKind::Folder => {
                if is_hidden(&entry.name)
                    && !note_unused(scan, root, &entry.name, "a hidden folder")
                {
                    scan.ignored += 1;
                }
                continue;
            }
            EntryKind::File if looks_like_image(&path)? => "it lies in no class folder",
            EntryKind::BrokenLink(reason) => reason,
            EntryKind::File | EntryKind::Other => {
                scan.ignored += 1;
                continue;
            }
        };
        scan.note(split, &text_of(&entry.name), Action::Skipped, reason);
    }
    Ok(())
}
