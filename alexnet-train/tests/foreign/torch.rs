//! State dicts as `torch.save` writes them.

use std::io::{Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::numbers;

/// A tensor to be saved.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

impl Tensor {
    pub(crate) fn f32(name: &str, shape: &[usize]) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec() }
    }

    pub(crate) fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The pickle of an OrderedDict of tensors, or of parameters.
pub(crate) fn pickle(tensors: &[Tensor], parameters: bool) -> Vec<u8> {
    let ordered = b"ccollections\nOrderedDict\n)R";
    let text =
        |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let int = |number: usize| [b"J", &(number as u32).to_le_bytes()[..]].concat();
    let mut out = [&b"\x80\x02"[..], ordered, b"("].concat();
    for (key, tensor) in tensors.iter().enumerate() {
        out.extend(text(&tensor.name));
        if parameters {
            out.extend(b"ctorch._utils\n_rebuild_parameter\n(");
        }
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        out.extend(text("storage"));
        out.extend(b"ctorch\nFloatStorage\n");
        out.extend([text(&key.to_string()), text("cpu"), int(tensor.count())].concat());
        out.extend(b"tQK\0(");
        tensor.shape.iter().for_each(|size| out.extend(int(*size)));
        out.extend(b"t(");
        for place in 0..tensor.shape.len() {
            out.extend(int(tensor.shape[place + 1..].iter().product()));
        }
        out.extend([b"t\x89", &ordered[..], b"tR"].concat());
        if parameters {
            out.extend([b"\x88", &ordered[..], b"tR"].concat());
        }
    }
    out.extend(b"u.");
    out
}

/// Writes the file of an OrderedDict of parameters, whose numbers are those of their names.
pub(crate) fn save(out: impl Write + Seek, tensors: &[Tensor]) {
    let mut zip = ZipWriter::new(out);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(64);
    zip.start_file("archive/data.pkl", options).unwrap();
    zip.write_all(&pickle(tensors, true)).unwrap();
    for (key, tensor) in tensors.iter().enumerate() {
        zip.start_file(format!("archive/data/{key}"), options).unwrap();
        let numbers = numbers(&tensor.name, tensor.count());
        zip.write_all(bytemuck::cast_slice(&numbers)).unwrap();
    }
    zip.start_file("archive/version", options).unwrap();
    zip.write_all(b"3\n").unwrap();
    zip.finish().unwrap();
}
