//! Weights as a folder of the Hugging Face Hub: `model.safetensors`, `config.json` in the words of
//! timm, `alexnet.json`, `README.md`, and for networks that torchvision does not have the module
//! `model.py`.
//!
//! The tensors have PyTorch's names, and no other is among them, so that `load_state_dict` takes
//! the file.

mod card;
mod config;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{check_replaceable, write_atomic};
use candle_core::Tensor;

use super::names::{is_torchvision, names};
use super::weights::Weights;
use super::{safetensors, torch};
use crate::checkpoint::description::FILE;
use crate::error::Error;

const WEIGHTS: &str = "model.safetensors";

/// Writes the folder `path`, which may be there, and gives the files that were written.
pub(super) fn export(weights: &Weights, path: &Path) -> Result<Vec<PathBuf>, Error> {
    let (names, file) = (names(weights)?, path.join(WEIGHTS));
    let is_torchvision = is_torchvision(&weights.description.network)?;
    let texts = [
        ("config.json", config::text(weights, is_torchvision)?),
        (FILE, weights.description_with_mean()?),
        ("README.md", card::text(weights, is_torchvision)),
    ];
    fs::create_dir_all(path).map_err(Error::io(path))?;
    let texts = texts.map(|(name, text)| (path.join(name), text));
    texts.iter().try_for_each(|(path, _)| check_replaceable(path))?;
    let module = torch::module_beside(weights, &file)?;
    let tensors = names.iter().zip(&weights.tensors);
    let tensors: Vec<(&str, &Tensor)> =
        tensors.map(|(name, (_, tensor))| (&name[..], tensor)).collect();
    safetensors::write(weights.description_with_mean()?, &tensors, &file)?;
    let mut written = vec![file];
    written.extend(module.map(|module| module.write()).transpose()?);
    for (path, text) in texts {
        write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
        written.push(path);
    }
    Ok(written)
}
