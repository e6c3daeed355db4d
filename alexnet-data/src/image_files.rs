//! The image files of a folder, at any depth.

use crate::error::{Error, Result};
use crate::prepare::source::entries::looks_like_image;
use crate::prepare::source::names::{is_hidden, is_image, is_junk};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The image files of a folder and of all folders below it, one after another, in the order of the
/// bytes of their names. What is in memory is the names of one folder and of those above it.
///
/// An image file is a regular file that has the ending of one (`.jpg`, `.png`, …) or begins as one;
/// whether it can be decoded is not looked at. What is hidden, its name beginning with a dot, is
/// passed over, and so is what file managers leave. Links are followed, but not those that lead
/// back to a folder above them. What cannot be read is an error, after which the rest comes.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// std::fs::create_dir(folder.path().join("cats"))?;
/// for name in ["cats/b.jpg", "cats/a.png", "notes.txt", "dog.jpg"] {
///     std::fs::write(folder.path().join(name), "")?;
/// }
/// let files = alexnet_data::ImageFiles::new(folder.path()).collect::<Result<Vec<_>, _>>()?;
/// let names = ["cats/a.png", "cats/b.jpg", "dog.jpg"].map(|name| folder.path().join(name));
/// assert_eq!(files, names);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImageFiles {
    folder: PathBuf,
    walk: walkdir::IntoIter,
}

impl ImageFiles {
    /// The image files of `folder`, which is read as they are asked for.
    pub fn new(folder: &Path) -> Self {
        let walk = WalkDir::new(folder)
            .follow_links(true)
            .sort_by(|a, b| a.file_name().as_encoded_bytes().cmp(b.file_name().as_encoded_bytes()));
        Self { folder: folder.to_owned(), walk: walk.into_iter() }
    }
}

impl Iterator for ImageFiles {
    type Item = Result<PathBuf>;

    fn next(&mut self) -> Option<Result<PathBuf>> {
        loop {
            match self.walk.next()? {
                Ok(entry) if entry.depth() == 0 => {}
                Ok(entry) if is_hidden(entry.file_name()) || is_junk(entry.file_name()) => {
                    if entry.file_type().is_dir() {
                        self.walk.skip_current_dir();
                    }
                }
                // To open a pipe would wait forever.
                Ok(entry) if entry.file_type().is_file() => match looks_like_image(entry.path()) {
                    Ok(true) => return Some(Ok(entry.into_path())),
                    Ok(false) => {}
                    Err(error) => return Some(Err(error)),
                },
                Ok(_) => {}
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let path = error.path().unwrap_or(&self.folder).to_owned();
                    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
                    let name = path.file_name().unwrap_or_default();
                    // A link to nothing would have been an image only if its name says so.
                    if is_link && (!is_image(&path) || is_hidden(name) || is_junk(name)) {
                        continue;
                    }
                    let error = error.into_io_error();
                    let error = error.unwrap_or_else(|| std::io::Error::other("cannot be listed"));
                    return Some(Err(Error::io("read", path)(error)));
                }
            }
        }
    }
}
