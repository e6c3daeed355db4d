//! Links in a tree of class folders: one that leads to images which have a class by themselves
//! would give them a second one.

use super::names::text_of;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The path without links in it.
pub(super) fn resolved(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(Error::io("read", path))
}

/// The class folders `names` of the tree `root`, without links in their paths; an error where one
/// of them is, or lies inside, another one.
pub(super) fn resolved_folders(root: &Path, names: &[OsString]) -> Result<Vec<PathBuf>> {
    let whole_root = resolved(root)?;
    let mut folders = Vec::with_capacity(names.len());
    for name in names {
        let path = root.join(name);
        let is_link = path.symlink_metadata().map_err(Error::io("read", &path))?.is_symlink();
        folders.push((if is_link { resolved(&path)? } else { whole_root.join(name) }, name));
    }
    folders.sort(); // so that a folder comes before those inside it
    let nested = |pair: &&[(PathBuf, &OsString)]| pair[1].0.starts_with(&pair[0].0);
    if let Some([(_, outer), (_, inner)]) = folders.windows(2).find(nested) {
        let problem = format!(
            "the class folder `{}` is a link to `{}` or to a folder above it, or the other way \
             round, so that images would be in both classes: remove the link",
            text_of(outer),
            text_of(inner)
        );
        return Err(Error::source(root, problem));
    }
    Ok(folders.into_iter().map(|(folder, _)| folder).collect())
}

/// Why the link `path` to a folder is not followed, if it leads to a class folder, above or into
/// one of `folders`.
pub(super) fn leads_to_class(path: &Path, folders: &[PathBuf]) -> Result<Option<String>> {
    let target = resolved(path)?;
    let meets = |folder: &&PathBuf| folder.starts_with(&target) || target.starts_with(folder);
    Ok(folders.iter().find(meets).map(|folder| {
        let (target, folder) = (text_of(&target), text_of(folder));
        format!("a link to {target}, where the class folder {folder} is read by itself")
    }))
}
