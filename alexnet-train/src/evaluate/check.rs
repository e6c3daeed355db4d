//! Whether weights are for the classes and the pixels of a dataset.

use std::path::Path;

use alexnet_data::Dataset;

use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// Refuses weights, those of the file `path`, for other classes than the dataset's.
///
/// # Errors
///
/// [`Error::Classes`] or [`Error::ClassNames`], naming the first difference.
pub fn check_classes(path: &Path, weights: &Checkpoint, dataset: &Dataset) -> Result<(), Error> {
    let (checkpoint, data) = (path.to_owned(), dataset.dir().to_owned());
    let (weights, dataset) = (&weights.classes, class_names(dataset));
    if weights.len() != dataset.len() {
        let (weights, dataset) = (weights.len(), dataset.len());
        return Err(Error::Classes { checkpoint, weights, data, dataset });
    }
    match weights.iter().cloned().zip(dataset).enumerate().find(|(_, (a, b))| a != b) {
        None => Ok(()),
        Some((index, (weights, dataset))) => {
            Err(Error::ClassNames { checkpoint, data, index, weights, dataset })
        }
    }
}

/// Refuses weights, those of the file `path`, whose training images became pixels otherwise than
/// those of the dataset.
///
/// # Errors
///
/// [`Error::Preprocessing`], naming the first difference.
pub fn check_preprocessing(
    path: &Path,
    weights: &Checkpoint,
    dataset: &Dataset,
) -> Result<(), Error> {
    match weights.preprocessing.difference(&dataset.manifest().preprocessing()) {
        None => Ok(()),
        Some([weights, found]) => Err(Error::Preprocessing {
            checkpoint: path.to_owned(),
            data: dataset.dir().to_owned(),
            weights,
            dataset: found,
        }),
    }
}

/// The names of a dataset's classes, in the order of their labels.
pub(crate) fn class_names(data: &Dataset) -> Vec<String> {
    data.manifest().classes.iter().map(|class| class.name.clone()).collect()
}
