//! Models and blobs as Caffe writes them.

use alexnet_model::LayerKind;

use super::protobuf::{bytes, integer, varint};

/// A layer: its name, its type as of version 2, its blobs, and what it computes.
pub(crate) struct Layer {
    name: String,
    kind: String,
    blobs: Vec<(Vec<usize>, Vec<f32>)>,
    /// A message, and the numbers of its field in both versions.
    message: Option<([u64; 2], Vec<u8>)>,
}

impl Layer {
    pub(crate) fn new(name: &str, kind: &str, blobs: &[(&[usize], &[f32])]) -> Self {
        let blobs = blobs.iter().map(|(shape, numbers)| (shape.to_vec(), numbers.to_vec()));
        let blobs = blobs.collect();
        Self { name: name.to_owned(), kind: kind.to_owned(), blobs, message: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// With what it computes, as Caffe says it.
    pub(crate) fn computing(self, layer: &LayerKind) -> Self {
        let size = |number, value: usize| integer(number, value as u64);
        let float = |number: u64, value: f32| {
            [varint(number << 3 | 5), value.to_le_bytes().to_vec()].concat()
        };
        let message = match *layer {
            LayerKind::Conv { filters, kernel, stride, pad: [pad, ..], groups, .. } => {
                let sizes = [(1, filters), (3, pad), (4, kernel), (5, groups), (6, stride)];
                let sizes = sizes.map(|(number, value)| size(number, value));
                ([10, 106], sizes.concat())
            }
            LayerKind::MaxPool { kernel, stride, .. } => {
                ([19, 121], [size(1, 0), size(2, kernel), size(3, stride)].concat())
            }
            LayerKind::Lrn { n, alpha, beta, .. } => {
                let floats = [float(2, alpha), float(3, beta)].concat();
                ([18, 118], [size(1, n), floats].concat())
            }
            _ => return self,
        };
        Self { message: Some(message), ..self }
    }
}

/// A blob, of which `legacy` ones have four sizes, the first of them ones.
pub(crate) fn blob(shape: &[usize], numbers: &[f32], legacy: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if legacy {
        let four = [&vec![1; 4 - shape.len()][..], shape].concat();
        (1..).zip(four).for_each(|(number, size)| out.extend(integer(number, size as u64)));
    } else {
        let sizes = shape.iter().flat_map(|size| varint(*size as u64)).collect::<Vec<_>>();
        out.extend(bytes(7, &bytes(1, &sizes)));
    }
    out.extend(bytes(5, bytemuck::cast_slice(numbers)));
    out
}

/// A model, with layers of the first version and legacy blobs, or with those of the second.
pub(crate) fn model(layers: &[Layer], first: bool) -> Vec<u8> {
    let mut out = bytes(1, b"AlexNet");
    for Layer { name, kind, blobs, message } in layers {
        let [name_field, blobs_field, field] = if first { [4, 6, 2] } else { [1, 7, 100] };
        let mut layer = bytes(name_field, name.as_bytes());
        layer.extend(match first {
            true => integer(5, number(kind)),
            false => bytes(2, kind.as_bytes()),
        });
        for (shape, numbers) in blobs {
            layer.extend(bytes(blobs_field, &blob(shape, numbers, first)));
        }
        if let Some((fields, message)) = message {
            layer.extend(bytes(fields[usize::from(!first)], message));
        }
        out.extend(bytes(field, &layer));
    }
    out
}

/// `V1LayerParameter.LayerType`.
fn number(kind: &str) -> u64 {
    match kind {
        "Convolution" => 4,
        "Data" => 5,
        "Dropout" => 6,
        "InnerProduct" => 14,
        "LRN" => 15,
        "Pooling" => 17,
        "ReLU" => 18,
        "SoftmaxWithLoss" => 21,
        "TanH" => 23,
        other => panic!("{other}"),
    }
}
