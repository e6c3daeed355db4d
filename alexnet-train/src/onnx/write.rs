//! Writes an ONNX file without a copy of its weights.
//!
//! A message of protobuf is its fields one after another, in any order, and a message within it is
//! a field whose length stands before it. So the graph is written first without its weights, under
//! a length that counts them, and then each weight as one more `initializer`.

use std::io::{self, ErrorKind, Write};

use candle_core::Tensor;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::messages::{Constant, Element, Model};
use crate::checkpoint::write::with_values;

/// `ModelProto.graph`.
const GRAPH: u32 = 7;
/// `GraphProto.initializer`.
const INITIALIZER: u32 = 5;
/// `TensorProto.raw_data`.
const RAW_DATA: u32 = 9;
/// No reader of protobuf takes a longer message.
pub(crate) const LARGEST: usize = i32::MAX as usize;

/// The weights of a file, by the names under which the nodes read them.
pub(crate) type Weights<'a> = [(&'a str, &'a Tensor)];

/// Writes `model`, of whose graph the constants `weights` are added: contiguous f32 tensors of the
/// host's memory.
pub(crate) fn write(
    mut model: Model,
    weights: &Weights<'_>,
    file: &mut impl Write,
) -> io::Result<()> {
    let graph = model.graph.take().unwrap_or_default().encode_to_vec();
    let heads: Vec<Vec<u8>> = weights.iter().map(|(name, tensor)| head(name, tensor)).collect();
    let lengths = heads.iter().zip(weights).map(|(head, (_, tensor))| head.len() + bytes(tensor));
    let length = lengths.sum::<usize>() + graph.len();
    let mut start = model.encode_to_vec();
    encode_key(GRAPH, WireType::LengthDelimited, &mut start);
    encode_varint(length as u64, &mut start);
    if start.len() + length > LARGEST {
        let reason = "an ONNX file has at most 2 GiB; take another format";
        return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
    }
    file.write_all(&start)?;
    file.write_all(&graph)?;
    for (head, (_, tensor)) in heads.iter().zip(weights) {
        file.write_all(head)?;
        with_values(tensor, |values| file.write_all(bytemuck::cast_slice(values)))
            .map_err(io::Error::other)??;
    }
    Ok(())
}

/// An `initializer` up to its numbers, which are its last field.
fn head(name: &str, tensor: &Tensor) -> Vec<u8> {
    let constant = Constant {
        dims: tensor.dims().iter().map(|n| *n as i64).collect(),
        data_type: Element::F32.into(),
        name: name.to_owned(),
        raw_data: Vec::new(),
    };
    let (constant, bytes) = (constant.encode_to_vec(), bytes(tensor));
    let raw_data = key_len(RAW_DATA) + encoded_len_varint(bytes as u64) + bytes;
    let mut head = Vec::new();
    encode_key(INITIALIZER, WireType::LengthDelimited, &mut head);
    encode_varint((constant.len() + raw_data) as u64, &mut head);
    head.extend(constant);
    encode_key(RAW_DATA, WireType::LengthDelimited, &mut head);
    encode_varint(bytes as u64, &mut head);
    head
}

/// The bytes of a tensor of f32.
fn bytes(tensor: &Tensor) -> usize {
    4 * tensor.elem_count()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use safetensors::View;

    use super::*;
    use crate::onnx::messages::Graph;

    /// It is what a message that holds the weights would be.
    #[test]
    fn weights_are_initializers() {
        let tensor = |dims: &[usize]| Tensor::randn(0f32, 1.0, dims, &Device::Cpu).unwrap();
        let weights = [("conv.weight", tensor(&[2, 3, 5, 7])), ("bias", tensor(&[300]))];
        let constant = |(name, tensor): &(&str, Tensor)| Constant {
            dims: tensor.dims().iter().map(|n| *n as i64).collect(),
            data_type: Element::F32.into(),
            name: (*name).to_owned(),
            raw_data: tensor.data().into_owned(),
        };
        let graph = |initializer| Graph { name: "g".into(), initializer, ..Graph::default() };
        let model = |graph| Model { ir_version: 8, graph: Some(graph), ..Model::default() };
        let named: Vec<_> = weights.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let mut file = Vec::new();
        write(model(graph(Vec::new())), &named, &mut file).unwrap();
        let whole = model(graph(weights.iter().map(constant).collect()));
        assert_eq!(Model::decode(&file[..]).unwrap(), whole);
        assert_eq!(file.len(), whole.encoded_len());
    }
}
