//! Weights as PyTorch saves them: a state dict in an archive, and a module file that runs it.
//!
//! The archive is a zip file, nothing compressed, with the folder `archive`: the state dict in
//! `data.pkl`, the numbers of tensor n in `data/n`, and `version` and `byteorder`. What PyTorch
//! does not look for may lie beside them: [`FILE`].

mod module;
mod pickle;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use alexnet_data::write_atomic;
use candle_core::Tensor;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::names::{is_torchvision, names};
use super::weights::Weights;
use crate::checkpoint::description::FILE;
use crate::checkpoint::write::with_values;
use crate::error::Error;

/// Where the numbers of tensors begin: at a multiple of so many bytes, as in PyTorch's own files,
/// so that they can be used where they lie.
const ALIGNMENT: u16 = 64;

/// Writes the file `path`, and gives what was written: that, and for all networks but torchvision's
/// own a module file beside it.
pub(super) fn export(weights: &Weights, path: &Path) -> Result<Vec<PathBuf>, Error> {
    let (names, description) = (names(weights)?, weights.description_with_mean()?);
    let module = module_beside(weights, path)?;
    let tensors: Vec<&Tensor> = weights.tensors.iter().map(|(_, tensor)| tensor).collect();
    write_atomic(path, |file| archive(file, &names, &tensors, &description))?;
    let mut written = vec![path.to_owned()];
    written.extend(module.map(|module| module.write()).transpose()?);
    Ok(written)
}

/// A module file that is yet to be written.
pub(super) struct ModuleFile {
    path: PathBuf,
    text: String,
}

impl ModuleFile {
    /// Writes it, and gives its path.
    pub(super) fn write(self) -> Result<PathBuf, Error> {
        write_atomic(&self.path, |file| file.write_all(self.text.as_bytes()))?;
        Ok(self.path)
    }
}

/// The module file for the weights that will be `path`; none for a network that torchvision has.
/// A file of that name that is no such module is not replaced. A network with a layer of weights
/// whose name has a dot is refused: PyTorch takes what is before it for a module.
pub(super) fn module_beside(weights: &Weights, path: &Path) -> Result<Option<ModuleFile>, Error> {
    if is_torchvision(&weights.description.network)? {
        return Ok(None);
    }
    let mut layers = weights.description.network.layers.iter();
    if let Some(layer) = layers.find(|l| l.kind.has_parameters() && l.name.contains('.')) {
        let what = format!("PyTorch's modules have no dot in their names, as `{}`", layer.name);
        let advice = "export to onnx or safetensors, or give the layer another name";
        return Err(refused(path, what, advice));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let (text, path) = (module::text(&weights.description, &file)?, path.with_extension("py"));
    match fs::read(&path) {
        Ok(found) if !module::is_ours(&found) => {
            let what = "it is no module that `alexnet export` wrote, and is not replaced";
            Err(refused(&path, what.to_owned(), "give another name to the weights"))
        }
        _ => Ok(Some(ModuleFile { path, text })),
    }
}

/// What cannot be written, and what to do.
fn refused(path: &Path, what: String, advice: &str) -> Error {
    let (path, what, advice) = (path.to_owned(), what.into(), advice.into());
    Error::Weights { path, what, expected: "".into(), got: "".into(), advice }
}

/// Writes the archive.
fn archive(
    file: &mut File,
    names: &[String],
    tensors: &[&Tensor],
    description: &str,
) -> io::Result<()> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(file);
    let mut add = |name: &str, bytes: &[u8]| {
        let large = bytes.len() as u64 >= zip::ZIP64_BYTES_THR;
        let options = stored.with_alignment(ALIGNMENT).large_file(large);
        zip.start_file(format!("archive/{name}"), options)?;
        zip.write_all(bytes)
    };
    add("data.pkl", &pickle::state_dict(names, tensors))?;
    add("byteorder", b"little")?;
    add(FILE, description.as_bytes())?;
    for (number, tensor) in tensors.iter().enumerate() {
        let name = format!("data/{number}");
        with_values(tensor, |values| add(&name, bytemuck::cast_slice(values)))
            .map_err(io::Error::other)??;
    }
    add("version", b"3\n")?;
    zip.finish()?;
    Ok(())
}
