//! Statistics from elsewhere in the place of a dataset's own.

use crate::error::{Error, Result};
use crate::statistics::{Statistics, f32_base64};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Statistics from elsewhere, as those that another program published: a mean, and the axes along
/// which colours vary. What is not given stays the dataset's.
///
/// ```
/// use alexnet_data::GivenStatistics;
///
/// // Of cuda-convnet2's ImageNet.
/// let text = r#"{
///     "mean": [127.305, 119.715, 104.913],
///     "eigenvalues": [14830.4, 1375.96, 388.91],
///     "eigenvectors": [[0.56351, 0.57618, 0.59200],
///                      [0.71258, 0.02354, -0.70120],
///                      [0.41796, -0.81698, 0.39731]]
/// }"#;
/// let given = GivenStatistics::from_json("cc2.json".as_ref(), text.as_bytes())?;
/// assert_eq!(given.eigenvalues, Some([14830.4, 1375.96, 388.91]));
/// # Ok::<(), alexnet_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenStatistics {
    /// The mean of each channel, 0 to 255: R, G, B.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f64; 3]>,
    /// The mean image, height × width × 3 as in [`Statistics::mean_image`]; not together with
    /// `mean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_image: Option<MeanImage>,
    /// Eigenvalues of the covariance of colours from 0 to 255, descending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eigenvalues: Option<[f64; 3]>,
    /// Its eigenvectors, one a row: R, G, B.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eigenvectors: Option<[[f64; 3]; 3]>,
}

/// A mean image; in JSON it is base64 of little-endian f32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeanImage(#[serde(with = "f32_base64")] pub Vec<f32>);

impl GivenStatistics {
    /// Reads the JSON of `path`.
    ///
    /// # Errors
    /// [`Error::Source`] for what is no such JSON, or numbers that cannot be.
    pub fn from_json(path: &Path, text: &[u8]) -> Result<Self> {
        let given: Self = serde_json::from_slice(text)
            .map_err(|error| Error::source(path, format!("are no statistics: {error}")))?;
        given.check().map_err(|problem| Error::source(path, problem))?;
        Ok(given)
    }

    fn check(&self) -> Result<(), String> {
        let Self { mean, mean_image, eigenvalues, eigenvectors } = self;
        let pixel = |value: &f64| (0.0..=255.0).contains(value);
        if mean.is_some() && mean_image.is_some() {
            return Err("has both mean and mean_image: expected one".into());
        }
        if !mean.iter().flatten().all(pixel) {
            return Err("has a mean that is not of pixels from 0 to 255".into());
        }
        let values = || mean_image.iter().flat_map(|image| &image.0);
        if !values().all(|&value| pixel(&value.into())) {
            return Err("has a mean_image that is not of pixels from 0 to 255".into());
        }
        let (Some(values), Some(vectors)) = (eigenvalues, eigenvectors) else {
            let both = eigenvalues.is_none() && eigenvectors.is_none();
            let problem = "has eigenvalues or eigenvectors alone: expected both";
            return if both { Ok(()) } else { Err(problem.into()) };
        };
        // The variance of numbers from 0 to 255 is at most 127.5², that of three of them three
        // times as much.
        if !values.iter().all(|value| (0.0..=48768.75).contains(value)) {
            return Err("has eigenvalues that are not of colours from 0 to 255".into());
        }
        for vector in vectors {
            let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            if !(0.99..=1.01).contains(&length) {
                return Err(format!("has an eigenvector of length {length:.3}: expected 1"));
            }
        }
        Ok(())
    }

    /// The dataset's statistics with what is given in their place.
    ///
    /// # Errors
    /// [`Error::Setting`] for a mean image of another size.
    pub fn in_place_of(&self, own: &Statistics) -> Result<Statistics> {
        let mut all = own.clone();
        if let Some(mean) = self.mean {
            all.channel_mean = mean;
            for pixel in all.mean_image.as_chunks_mut::<3>().0 {
                *pixel = mean.map(|value| value as f32);
            }
        }
        if let Some(MeanImage(image)) = &self.mean_image {
            let right = image.len() == own.mean_image.len();
            let expected = "as many values as a stored image has";
            Error::check(right, "mean_image", expected, &image.len())?;
            all.channel_mean = [0, 1, 2].map(|channel| {
                let values = image.iter().skip(channel).step_by(3);
                values.map(|&v| f64::from(v)).sum::<f64>() * 3.0 / image.len() as f64
            });
            all.mean_image.clone_from(image);
        }
        if let (Some(values), Some(vectors)) = (self.eigenvalues, self.eigenvectors) {
            all.covariance = [0, 1, 2].map(|a: usize| {
                [0, 1, 2]
                    .map(|b: usize| (0..3).map(|i| values[i] * vectors[i][a] * vectors[i][b]).sum())
            });
            (all.eigenvalues, all.eigenvectors) = (values, vectors);
        }
        Ok(all)
    }
}
