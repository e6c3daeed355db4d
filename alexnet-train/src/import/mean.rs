//! The mean image of a family's training images: Caffe's `.binaryproto`, or NumPy's `.npy`.

use std::path::{Path, PathBuf};

use super::caffe::blob::read_blob_file;
use super::family::{Colors, Family, FamilyInput};
use super::file::SourceFile;
use super::npy;
use super::problem::{Problem, Result};
use super::values;
use crate::error::Error;

/// The file of the mean image: the one that was asked for, or one beside the weights at `path`.
pub(crate) fn mean_file(
    family: &Family,
    path: &Path,
    asked: Option<&Path>,
) -> Result<Option<PathBuf>, Error> {
    let names = &family.input.mean_files;
    match asked {
        Some(asked) if names.is_empty() => {
            let what = format!("weights of family `{}` have no mean image", family.name);
            Err(Problem::new(what).advice("leave out --mean").at(asked))
        }
        Some(asked) => Ok(Some(asked.to_owned())),
        None => {
            let mut beside = names.iter().map(|name| path.with_file_name(name));
            Ok(beside.find(|file| file.is_file()))
        }
    }
}

/// The mean image of a file, `(stored, stored, 3)`, red first, of pixels of 0 to 255. There it is
/// `(3, stored, stored)`, or `(3)` for one colour, in the family's order and range.
pub(crate) fn read_mean(path: &Path, input: &FamilyInput, stored: usize) -> Result<Vec<f32>> {
    let mut file = SourceFile::open(path)?;
    let tensor = match npy::is_npy(&file.start(8)?) {
        true => npy::read(&mut file)?,
        false => read_blob_file(&mut file)?,
    };
    let plane = stored * stored;
    let shape = match &tensor.shape[..] {
        [1, rest @ ..] if rest.len() == 3 => rest, // a batch of one
        shape => shape,
    };
    if shape != [3, stored, stored] && shape != [3] {
        let problem = Problem::new("it is no mean image of these weights");
        let problem = problem.expected(format!("[3, {stored}, {stored}]"), format!("{shape:?}"));
        return Err(problem.advice("give the mean image that came with the weights"));
    }
    let one_color = shape.len() == 1;
    let values = values::read(&mut file, &tensor)?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Problem::new("it is no mean image").expected("numbers", value));
    }
    let scale = (255.0 / input.range) as f32;
    let channels = match input.colors {
        Colors::Rgb => [0, 1, 2],
        Colors::Bgr => [2, 1, 0],
    };
    let pixel = |place: usize| {
        channels.map(|c| scale * values[if one_color { c } else { c * plane + place }])
    };
    Ok((0..plane).flat_map(pixel).collect())
}
