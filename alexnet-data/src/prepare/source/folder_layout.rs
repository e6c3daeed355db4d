//! Which folders of an input are splits, and which inputs are no tree of classes.

use super::entries::{Entry, EntryKind, entries, looks_like_image};
use super::links::resolved;
use super::listing::Scan;
use super::names::{is_hidden, is_image, is_junk, text_of};
use super::split_folders::{SplitFolder, split_folders};
use super::split_names::split_of_word;
use crate::error::{Error, Result, few};
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};
use walkdir::WalkDir;

/// The roots of the trees of an input, each a folder of class folders.
pub(super) struct Trees {
    pub(super) train: PathBuf,
    pub(super) val: Option<PathBuf>,
    pub(super) test: Option<PathBuf>,
}

/// The trees in `input`: the folders that are called train, val and test; or, where there are none,
/// `input` itself and the tree `val`. What is not used is reported.
pub(super) fn trees(input: &Path, val: Option<&Path>, scan: &mut Scan<'_>) -> Result<Trees> {
    must_be_folder(input)?;
    let folders = folders_in(input)?;
    let classes_in = |name: &OsStr| {
        let tree = input.join(name);
        Ok(if is_tree(&tree)? { BTreeSet::from_iter(folders_in(&tree)?) } else { BTreeSet::new() })
    };
    let splits = split_folders(input, &folders, &classes_in)?;
    if let Some(val) = val {
        must_be_folder(val)?;
        if resolved(val)?.starts_with(resolved(input)?) {
            let problem = format!(
                "the val tree lies inside the train tree {}: give the train tree alone as input",
                input.display()
            );
            return Err(Error::source(val, problem));
        }
        if let Some((name, _)) = splits.first() {
            let problem = format!(
                "holds the split `{}`: give the train tree itself as input, beside the val tree",
                text_of(name)
            );
            return Err(Error::source(input, problem));
        }
    }
    if splits.is_empty() {
        return Ok(Trees { train: input.into(), val: val.map(Into::into), test: None });
    }
    let train = only(input, &splits, Stage::Train)?;
    let (val, test) = (only(input, &splits, Stage::Val)?, only(input, &splits, Stage::Test)?);
    let names: Vec<_> = splits.iter().map(|(name, _)| text_of(name)).collect();
    let Some(train) = train else {
        let problem = format!("holds the splits {}, but no tree `train` to train on", few(&names));
        return Err(Error::source(input, problem));
    };
    if !is_tree(&train)? {
        let problem = format!(
            "holds folders with names of splits ({}), and no class folders in the train one: \
             expected train/CLASS/IMAGE; folders that are classes need other names",
            few(&names)
        );
        return Err(Error::source(input, problem));
    }
    if val.is_none() && test.is_none() {
        let problem = "holds a tree `train` but no tree `val`: give the train tree itself as input \
                       (and the val tree as val, if there is one)";
        return Err(Error::source(input, problem));
    }
    let unused = folders.into_iter().filter(|name| splits.iter().all(|split| split.0 != *name));
    for name in unused {
        if !note_unused(scan, input, &name, "a folder that is no split") {
            let reason = "a folder that is no split, and holds no images";
            scan.note("", &text_of(&name), Action::Noted, reason);
        }
    }
    note_files_beside_splits(input, scan)?;
    Ok(Trees { train, val, test })
}

fn must_be_folder(path: &Path) -> Result<()> {
    if !fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
        let problem = "is no folder; expected one that holds a folder for each class";
        return Err(Error::source(path, problem));
    }
    Ok(())
}

/// The folders in a folder, without hidden ones.
fn folders_in(dir: &Path) -> Result<Vec<OsString>> {
    let folders = entries(dir)?.0.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
    Ok(folders.map(|entry| entry.name).filter(|name| !is_hidden(name)).collect())
}

/// The one folder of a split.
fn only(input: &Path, splits: &[SplitFolder], stage: Stage) -> Result<Option<PathBuf>> {
    let mut names = splits.iter().filter(|split| split.1 == stage).map(|split| &split.0);
    let first = names.next();
    if let (Some(first), Some(second)) = (first, names.next()) {
        let problem = format!(
            "holds `{}` and `{}`, which are both names of the {} split: give the train tree \
             itself as input, and the val tree as val",
            text_of(first),
            text_of(second),
            stage.split()
        );
        return Err(Error::source(input, problem));
    }
    Ok(first.map(|name| input.join(name)))
}

/// Whether a folder is a tree of classes, and not itself a class, as of images of trains.
pub(super) fn is_tree(path: &Path) -> Result<bool> {
    let entries = entries(path)?.0;
    let has_folder = entries.iter().any(|e| e.kind == EntryKind::Folder && !is_hidden(&e.name));
    Ok(has_folder && !entries.iter().any(|e| is_image(Path::new(&e.name))))
}

/// Reports a folder of `dir` that is not used, if it holds images, and says whether it does; `what`
/// it is, in words.
pub(super) fn note_unused(scan: &mut Scan<'_>, dir: &Path, name: &OsStr, what: &str) -> bool {
    // Nothing of it is used, so it does not matter what of it cannot be read.
    let files = WalkDir::new(dir.join(name)).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file() && !is_junk(entry.file_name()));
    let images = files.filter(|entry| looks_like_image(entry.path()).unwrap_or(false)).count();
    if images > 0 {
        let reason = format!("{images} images in {what}");
        scan.note("", &text_of(name), Action::Unused, &reason);
    }
    images > 0
}

fn note_files_beside_splits(input: &Path, scan: &mut Scan<'_>) -> Result<()> {
    for Entry { name, kind } in entries(input)?.0 {
        let reason = match kind {
            EntryKind::File if looks_like_image(&input.join(&name))? => {
                "it lies beside the folders of the splits"
            }
            EntryKind::BrokenLink(reason) => reason,
            _ => continue,
        };
        scan.note("", &text_of(&name), Action::Skipped, reason);
    }
    Ok(())
}

/// Refuses a tree whose images show that its folders are no classes: all of them lie in one folder,
/// which was put around the classes, or each class has splits in it. `files` have paths below
/// `root` that begin with the name of the class folder.
pub(super) fn check_classes(root: &Path, files: &[(u32, PathBuf)]) -> Result<()> {
    let Some((label, first)) = files.first() else { return Ok(()) };
    if files.iter().all(|file| file.0 == *label) {
        let mut shared: &Path = first.parent().unwrap_or(first);
        for (_, path) in files {
            while !path.starts_with(shared) {
                shared = shared.parent().unwrap_or(Path::new(""));
            }
        }
        let is_class = files.iter().any(|(_, path)| path.parent() == Some(shared));
        let wrapper = if is_class { shared.parent().unwrap_or(Path::new("")) } else { shared };
        if !wrapper.as_os_str().is_empty() {
            let problem = format!(
                "all its images are in the one folder `{}`, which would be the only class: give \
                 {} instead",
                text_of(first.components().next().map_or(OsStr::new(""), |c| c.as_os_str())),
                root.join(wrapper).display()
            );
            return Err(Error::source(root, problem));
        }
    }
    let mut inner = BTreeSet::new();
    for (_, path) in files {
        let folders: Vec<_> = path.parent().into_iter().flat_map(Path::components).collect();
        let split = match folders[..] {
            [_, Component::Normal(name), ..] => split_of_word(&name.to_string_lossy()),
            _ => None,
        };
        let Some(split) = split else { return Ok(()) };
        inner.insert(split.split());
    }
    if inner.len() > 1 {
        let problem = format!(
            "each class folder holds splits ({}), which would become one: expected \
             train/CLASS/IMAGE, not CLASS/train/IMAGE",
            Vec::from_iter(inner).join(", ")
        );
        return Err(Error::source(root, problem));
    }
    Ok(())
}
