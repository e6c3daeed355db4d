//! The folder source: one folder a class, images at any depth below it.

use super::{Images, Listing};
use crate::prepare::report::{Action, Odd};
use crate::prepare::{PrepareOptions, Progress, Stage};
use crate::{Class, Decoder, Error, Pixels};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Files longer than this are not read: no image of 100 million pixels needs it.
const MAX_BYTES: u64 = 1 << 28;
/// File names that are worth opening; the content decides what they are.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The images of one tree.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// Label and path below the root, in sorted order.
    pub(super) files: Vec<(u32, PathBuf)>,
}

impl Images for Tree {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.files[i].0
    }

    fn name(&self, i: usize) -> String {
        self.files[i].1.to_string_lossy().into_owned()
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String> {
        let bytes = read(&self.root.join(&self.files[i].1)).map_err(|e| e.to_string())?;
        decoder.decode(&bytes).map_err(|e| e.to_string())
    }
}

/// Reads a file, up to [`MAX_BYTES`].
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_BYTES {
        let text = format!("{length} bytes, more than the limit of {MAX_BYTES}");
        return Err(std::io::Error::other(text));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Lists the train tree and the val tree.
pub(super) fn list(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Listing, Error> {
    let (train_root, val_root) = roots(options)?;
    let mut scan = Scan::new(progress);
    let folders = scan.class_folders(&train_root)?;
    let classes: Vec<_> =
        folders.iter().map(|name| Class::named(name.to_string_lossy().into_owned())).collect();
    let mut names = HashSet::new();
    if let Some(twice) = classes.iter().find(|c| !names.insert(&c.name)) {
        let problem = format!(
            "two class folders have the name `{}` when read as UTF-8: rename one",
            twice.name
        );
        return Err(Error::Source { path: train_root, problem });
    }
    let labels: HashMap<_, _> = folders.iter().zip(0u32..).collect();
    let train = scan.tree("train", &train_root, &folders, &labels)?;
    let mut splits = vec![(Stage::Train, Box::new(train) as Box<dyn Images>)];
    if let Some(root) = val_root {
        let folders = scan.class_folders(&root)?;
        let unknown: Vec<_> = folders.iter().filter(|name| !labels.contains_key(name)).collect();
        if !unknown.is_empty() {
            let first: Vec<_> = unknown.iter().take(5).map(|n| n.to_string_lossy()).collect();
            let problem = format!(
                "{} class folders are not among the {} of {}: {}{}; remove them, or add them to train",
                unknown.len(),
                labels.len(),
                train_root.display(),
                first.join(", "),
                if unknown.len() > first.len() { ", …" } else { "" },
            );
            return Err(Error::Source { path: root, problem });
        }
        let val = scan.tree("val", &root, &folders, &labels)?;
        splits.push((Stage::Val, Box::new(val)));
    }
    Ok(Listing { classes, splits, ignored: scan.ignored, odd: scan.odd })
}

/// The roots of the train tree and of the val tree.
fn roots(options: &PrepareOptions) -> Result<(PathBuf, Option<PathBuf>), Error> {
    let input = &options.input;
    must_be_folder(input)?;
    if let Some(val) = &options.val {
        must_be_folder(val)?;
        let canonical = |p: &Path| p.canonicalize().map_err(Error::io("read", p));
        if canonical(val)?.starts_with(canonical(input)?) {
            let problem = format!(
                "the val tree lies inside the train tree {}: give the train tree alone as input",
                input.display()
            );
            return Err(Error::Source { path: val.clone(), problem });
        }
        return Ok((input.clone(), Some(val.clone())));
    }
    let (train, val) = (input.join("train"), input.join("val"));
    match (train.is_dir(), val.is_dir()) {
        (true, true) => Ok((train, Some(val))),
        (true, false) if only_folders(&train) => {
            let problem = "holds a tree `train` but no tree `val`: give the train tree itself as \
                           input (and the val tree as val, if there is one)";
            Err(Error::Source { path: input.clone(), problem: problem.into() })
        }
        _ => Ok((input.clone(), None)),
    }
}

fn must_be_folder(path: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if metadata.is_dir() {
        return Ok(());
    }
    let problem = "is no folder; expected one that holds a folder for each class".into();
    Err(Error::Source { path: path.into(), problem })
}

/// Whether a folder named `train` is a tree of classes, and not a class of trains.
fn only_folders(path: &Path) -> bool {
    let entries = || fs::read_dir(path).into_iter().flatten().flatten();
    entries().any(|e| e.path().is_dir()) && !entries().any(|e| is_image_name(&e.path()))
}

pub(super) fn is_image_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// A walk under way.
pub(super) struct Scan<'a> {
    pub(super) odd: Vec<Odd>,
    progress: &'a (dyn Fn(Progress) + Sync),
    found: u64,
    pub(super) ignored: u64,
}

impl<'a> Scan<'a> {
    pub(super) fn new(progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { odd: Vec::new(), progress, found: 0, ignored: 0 }
    }

    /// The names of the class folders under `root`, sorted by their bytes.
    pub(super) fn class_folders(&mut self, root: &Path) -> Result<Vec<OsString>, Error> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
            let entry = entry.map_err(Error::io("read", root))?;
            let name = entry.file_name();
            // Through links, as people link class folders together.
            if entry.path().is_dir() && !is_hidden(&name) {
                folders.push(name);
            } else {
                self.ignored += 1;
            }
        }
        if folders.is_empty() {
            let problem = "holds no class folders; expected one folder for each class, with the \
                           images in it";
            return Err(Error::Source { path: root.into(), problem: problem.into() });
        }
        folders.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        Ok(folders)
    }

    /// The images of one tree.
    pub(super) fn tree(
        &mut self,
        split: &str,
        root: &Path,
        folders: &[OsString],
        labels: &HashMap<&OsString, u32>,
    ) -> Result<Tree, Error> {
        let mut files = Vec::new();
        for folder in folders {
            let before = files.len();
            self.class(split, root, folder, labels[folder], &mut files);
            if files.len() == before {
                let path = folder.to_string_lossy().into_owned();
                let reason = "a class folder without images".into();
                self.odd.push(Odd::new(split, path, Action::Noted, reason));
            }
            super::found(self.progress, self.found as usize);
        }
        if files.is_empty() {
            let problem = "holds no .jpg, .jpeg or .png file in its class folders".into();
            return Err(Error::Source { path: root.into(), problem });
        }
        Ok(Tree { root: root.into(), files })
    }

    /// Adds the images of one class folder.
    fn class(
        &mut self,
        split: &str,
        root: &Path,
        folder: &OsString,
        label: u32,
        files: &mut Vec<(u32, PathBuf)>,
    ) {
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_path_buf();
        let mut walk = WalkDir::new(root.join(folder))
            .follow_links(true) // and an error for every link that leads back above itself
            .sort_by(|a, b| a.file_name().as_encoded_bytes().cmp(b.file_name().as_encoded_bytes()))
            .into_iter();
        while let Some(entry) = walk.next() {
            let odd = match entry {
                Ok(entry) if entry.depth() > 0 && is_hidden(entry.file_name()) => {
                    self.ignored += 1;
                    if entry.file_type().is_dir() {
                        walk.skip_current_dir();
                    }
                    continue;
                }
                Ok(entry) if entry.file_type().is_dir() => continue,
                Ok(entry) if !is_image_name(entry.path()) => {
                    self.ignored += 1;
                    continue;
                }
                Ok(entry) if entry.file_type().is_file() => {
                    files.push((label, below(entry.path())));
                    self.found += 1;
                    continue;
                }
                // Opening a pipe would wait for ever.
                Ok(entry) => (entry.into_path(), "not a regular file".to_owned()),
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_path_buf();
                    let reason = match error.io_error() {
                        Some(io) => io.to_string(),
                        None => "a link that leads back to a folder above it".to_owned(),
                    };
                    (path, reason)
                }
            };
            let path = below(&odd.0);
            let path = path.to_string_lossy().into_owned();
            self.odd.push(Odd::new(split, path, Action::Skipped, odd.1));
        }
    }
}
