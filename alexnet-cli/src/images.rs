//! `IMAGE…` and `--list`: which images a command looks at.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use alexnet_data::ImageFiles;
use alexnet_train::ImageSource;
use anyhow::{Context, Result, anyhow, ensure};
use clap::error::ErrorKind;
use glob::MatchOptions;

use crate::output::json_path;

/// Which images to look at
#[derive(Debug, clap::Args)]
pub(crate) struct ImageArguments {
    /// JPEG, PNG, BMP, GIF, WebP or TIFF files; folders, of which all images are taken, at any
    /// depth, in the order of their names; patterns in quotes, as 'photos/*.jpg'; or - for the
    /// bytes of one image from standard input
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A file with the path of an image or of a folder in each line, or - for standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
}

/// Images one after another, or why one cannot be had.
type Sources = Box<dyn Iterator<Item = Result<ImageSource>> + Send>;

/// The bytes of the longest line of a list; no system has longer paths.
const LINE: u64 = 1 << 16;

impl ImageArguments {
    /// Whether any are named.
    pub(crate) fn are_named(&self) -> bool {
        !self.images.is_empty() || self.list.is_some()
    }

    /// Refuses arguments that name no image, or standard input twice.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |kind, reason: &str| Err(clap::Error::raw(kind, format!("{reason}\n")).into());
        if !self.are_named() {
            let reason = "no images: name files or folders, or a list of them with --list FILE";
            return refuse(ErrorKind::MissingRequiredArgument, reason);
        }
        if self.images.iter().chain(&self.list).filter(|path| is_stdin(path)).count() > 1 {
            let reason = "- is standard input, which can be read once: name it once";
            return refuse(ErrorKind::ArgumentConflict, reason);
        }
        Ok(())
    }

    /// The images in the order in which they are named, those of the list last. Folders and lists
    /// are read as the images are asked for.
    pub(crate) fn sources(&self) -> Result<impl Iterator<Item = Result<ImageSource>> + Send> {
        let listed = self.list.as_deref().map(listed).transpose()?;
        Ok(self.images.clone().into_iter().flat_map(named).chain(listed.into_iter().flatten()))
    }

    /// All of them at once, for a command that needs each.
    pub(crate) fn all(&self) -> Result<Vec<ImageSource>> {
        self.sources()?.collect()
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The images that an argument names.
fn named(path: PathBuf) -> Sources {
    if is_stdin(&path) {
        return one(ImageSource::stdin(&std::io::stdin()).map_err(Into::into));
    }
    let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
    match pattern {
        // A file may have such a name.
        Some(pattern) if path.symlink_metadata().is_err() => matching(pattern),
        _ => file_or_folder(path),
    }
}

/// What fits a pattern, as a shell would have put it in its place.
fn matching(pattern: &str) -> Sources {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = match glob::glob_with(pattern, options) {
        Ok(found) => found,
        Err(error) => return one(Err(anyhow!("{pattern} is no pattern: {error}"))),
    };
    let files = found.flat_map(|path| match path {
        Ok(path) => file_or_folder(path),
        Err(error) => one(Err(error.into())),
    });
    some(files, format!("{pattern}: no file has such a name"))
}

/// The file, or the images of the folder.
fn file_or_folder(path: PathBuf) -> Sources {
    if !path.is_dir() {
        return one(Ok(path.into()));
    }
    let name = path.display().to_string();
    let files = ImageFiles::new(&path).map(|file| Ok(file?.into()));
    some(files, format!("{name} holds no images: expected files that end in .jpg, .png, …"))
}

/// What the lines of a file name, or those of standard input.
fn listed(path: &Path) -> Result<Sources> {
    let (name, file): (_, Box<dyn Read + Send>) = match is_stdin(path) {
        true => ("standard input".to_owned(), Box::new(std::io::stdin())),
        false => {
            let name = path.display().to_string();
            (name.clone(), Box::new(File::open(path).context(name)?))
        }
    };
    let (mut reader, mut has_failed, lines) = (BufReader::new(file), false, name.clone());
    let paths = std::iter::from_fn(move || {
        let line = if has_failed { None } else { next_line(&mut reader).transpose() };
        has_failed = matches!(line, Some(Err(_)));
        line.map(|line| line.with_context(|| lines.clone()))
    });
    let files = paths.flat_map(|path| match path {
        Ok(path) => file_or_folder(path),
        Err(error) => one(Err(error)),
    });
    Ok(some(files, format!("{name} lists no images: expected a path in each line")))
}

/// The path in the next line that is not empty; `None` after the last.
fn next_line(reader: &mut impl BufRead) -> Result<Option<PathBuf>> {
    loop {
        let mut line = Vec::new();
        if reader.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let is_long = line.len() as u64 == LINE && !line.ends_with(b"\n");
        ensure!(!is_long, "a line of {LINE} bytes and more: expected a path in each line");
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        line.truncate(end);
        if !line.is_empty() {
            return path_of(line).map(Some);
        }
    }
}

/// The path with these bytes.
#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

/// The path with these bytes.
#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf> {
    Ok(String::from_utf8(bytes).context("a path that is no UTF-8")?.into())
}

fn one(image: Result<ImageSource>) -> Sources {
    Box::new(std::iter::once(image))
}

/// The images, or where there are none this reason.
fn some(
    images: impl Iterator<Item = Result<ImageSource>> + Send + 'static,
    none: String,
) -> Sources {
    let mut images = images.peekable();
    match images.peek() {
        Some(_) => Box::new(images),
        None => one(Err(anyhow!(none))),
    }
}

/// The paths of images as JSON, for the metadata of files.
pub(crate) fn paths(images: &[ImageSource]) -> Result<String> {
    let paths: Vec<_> = images.iter().map(|image| json_path(image.path())).collect();
    Ok(serde_json::to_string(&paths)?)
}
