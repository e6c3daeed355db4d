//! What each validation image counts for in a run, as a file in the run's folder.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use alexnet_data::write_atomic;
use candle_core::{Device, Tensor, safetensors};

use crate::error::Error;
use crate::evaluate::score::{ImageScore, Tops};

/// What each image of a split counts for, in the order of the records.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RunScores {
    /// The share of it that is wrong among one guess and among five.
    pub(super) wrong: [Vec<f64>; 2],
    /// −log of the probability of its class.
    pub(super) loss: Vec<f64>,
}

const NAMES: [&str; 3] = ["top1_error", "top5_error", "loss"];

impl RunScores {
    /// The numbers of guesses that count.
    pub(super) fn tops() -> Tops {
        Tops::new(&[1, 5])
    }

    /// Adds images.
    pub(super) fn add(&mut self, scores: &[ImageScore]) {
        for score in scores {
            for (wrong, credit) in self.wrong.iter_mut().zip(&score.credit) {
                wrong.push(1.0 - credit);
            }
            self.loss.push(score.loss);
        }
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let columns = [&self.wrong[0], &self.wrong[1], &self.loss];
        let tensor = |(name, column): (&str, &Vec<f64>)| {
            Ok((name.to_owned(), Tensor::new(column.as_slice(), &Device::Cpu)?))
        };
        let tensors = NAMES.into_iter().zip(columns).map(tensor);
        let tensors = tensors.collect::<Result<HashMap<_, _>, Error>>()?;
        let ordered: std::collections::BTreeMap<_, _> = tensors.iter().collect();
        let bytes = ::safetensors::serialize(ordered, None);
        let bytes = bytes.map_err(|e| Error::Tensor(candle_core::Error::wrap(e)))?;
        Ok(write_atomic(path, |file| file.write_all(&bytes))?)
    }

    /// Reads the file.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let tensors = safetensors::load(path, &Device::Cpu).map_err(|e| fail(e.to_string()))?;
        let column = |name: &str| {
            let tensor = tensors.get(name).ok_or_else(|| fail(format!("it has no `{name}`")))?;
            tensor.to_vec1::<f64>().map_err(|e| fail(e.to_string()))
        };
        let [top1, top5, loss] = NAMES.map(column);
        Ok(Self { wrong: [top1?, top5?], loss: loss? })
    }
}
