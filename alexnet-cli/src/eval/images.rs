//! Which images are evaluated: those of a dataset's split, or of files of probabilities.

use alexnet_data::{Dataset, Split};
use alexnet_train::{ProbabilitiesInfo, SavedProbabilities};
use anyhow::{Context, Result, ensure};

/// The images, with what a file of their probabilities says of them.
pub(super) struct Images<'a> {
    /// `None` where files alone know them.
    pub(super) dataset: Option<(&'a Dataset, &'a Split)>,
    /// Without members yet.
    pub(super) info: ProbabilitiesInfo,
    pub(super) labels: Vec<u32>,
}

impl<'a> Images<'a> {
    /// The images of `split`, by default those of the files, or else of `val`. Files for others are
    /// refused.
    pub(super) fn find(
        data: Option<&'a Dataset>,
        split: Option<&str>,
        saved: &[SavedProbabilities],
    ) -> Result<Self> {
        if let [first, others @ ..] = saved {
            others.iter().try_for_each(|file| file.check_same(first))?;
        }
        let of_files = saved.first().map(|file| file.info().split.as_str());
        let name = split.or(of_files).unwrap_or("val");
        let images = match data {
            Some(data) => {
                let split = data.split(name)?;
                saved.iter().try_for_each(|file| file.check_split(data, split))?;
                let labels = (0..split.len()).map(|record| split.label(record));
                let labels = labels.collect::<Result<_, _>>()?;
                let info = ProbabilitiesInfo::of(data, split)?;
                Self { dataset: Some((data, split)), info, labels }
            }
            None => {
                let file = saved.first().context("--data DIR is missing")?;
                let (path, found) = (file.path().display(), &file.info().split);
                ensure!(found == name, "{path}: its split is `{found}`, but --split is {name}");
                let info = ProbabilitiesInfo { members: Vec::new(), ..file.info().clone() };
                Self { dataset: None, info, labels: file.labels().to_vec() }
            }
        };
        ensure!(!images.labels.is_empty(), "split `{name}` has no images: give another --split");
        Ok(images)
    }
}
