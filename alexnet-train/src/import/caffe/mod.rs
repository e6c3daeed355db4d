//! Caffe's models (`.caffemodel`): the message `NetParameter` of `caffe.proto`, with the layers of
//! its first version (`layers`) or of its second (`layer`).

pub(crate) mod blob;
mod constants;

use std::ops::Range;

use super::file::SourceFile;
use super::operation::Operation;
use super::problem::{Problem, Result, quoted};
use super::protobuf::{Field, Message, Value};
use super::source::Source;
use blob::{Blob, read_blob};
use constants::{convolution, normalization, pooling};

/// The most layers. The models of AlexNet have 25.
const MOST_LAYERS: usize = 1024;

/// The most blobs of a layer: a weight and a bias are two.
const MOST_BLOBS: usize = 8;

// Fields of NetParameter.
const NAME: u32 = 1;
const LAYERS_V1: u32 = 2;
const LAYER: u32 = 100;

/// Whether a file that starts with these bytes is one: its name, or its first layer.
pub(crate) fn is_model(start: &[u8]) -> bool {
    matches!(start, [0x0a | 0x12, ..] | [0xa2, 0x06, ..])
}

/// Whether a file that starts with these bytes is one blob: its first two sizes.
pub(crate) fn is_blob(start: &[u8]) -> bool {
    matches!(start, [0x08, _, 0x10, ..])
}

/// A layer of a model.
#[derive(Debug, Default)]
struct Layer {
    name: String,
    /// The word for its type, if its order matters.
    word: Option<&'static str>,
    /// Its type, if it is one that no AlexNet has.
    stranger: Option<String>,
    /// What it computes, if it says that.
    operation: Option<Operation>,
    blobs: Vec<Blob>,
}

/// The tensors of a model and the order of its layers.
pub(crate) fn read(file: &mut SourceFile) -> Result<Source> {
    let mut source = Source::new("Caffe model", file.length());
    let mut net = Message::new(0..file.length());
    let mut layers = 0;
    while let Some(Field { number, value }) = net.next(file)? {
        let layer = match number {
            LAYERS_V1 => read_layer(file, value.range()?, &FIRST)?,
            LAYER => read_layer(file, value.range()?, &SECOND)?,
            NAME => {
                value.range()?;
                continue;
            }
            _ => continue,
        };
        layers += 1;
        if layers > MOST_LAYERS {
            let problem = Problem::new("it is not the weights of an AlexNet");
            return Err(problem.expected(format!("at most {MOST_LAYERS} layers"), "more"));
        }
        let Layer { name, word, stranger, operation, blobs } = layer;
        if let Some(kind) = stranger {
            let what = format!("its layer {} is of type {}", quoted(&name), quoted(&kind));
            return Err(Problem::new(what).advice("this program has no preset for that network"));
        }
        if let Some(word) = word {
            source.layers.push(operation.as_ref().map_or(word, Operation::word));
            source.constants.push(operation);
        }
        for (place, blob) in blobs.into_iter().enumerate() {
            let part = match place {
                0 => "weight".to_owned(),
                1 => "bias".to_owned(),
                more => format!("blob{more}"),
            };
            source.add(blob.tensor(format!("{name}.{part}"), word == Some("linear"), place)?)?;
        }
    }
    if source.tensors.is_empty() {
        let what =
            format!("it is a Caffe model of {layers} layers without weights, or no such file");
        return Err(Problem::new(what).advice("give a .caffemodel, which holds the weights"));
    }
    Ok(source)
}

/// The numbers of the fields of a layer, and the words for its type.
struct Version {
    name: u32,
    kind: u32,
    blobs: u32,
    convolution: u32,
    pooling: u32,
    normalization: u32,
    /// A layer of the version before the first, within this one.
    older: Option<u32>,
}

/// `V1LayerParameter`; its type is a number.
const FIRST: Version = Version {
    name: 4,
    kind: 5,
    blobs: 6,
    convolution: 10,
    pooling: 19,
    normalization: 18,
    older: Some(1),
};

/// `LayerParameter`; its type is a text.
const SECOND: Version = Version {
    name: 1,
    kind: 2,
    blobs: 7,
    convolution: 106,
    pooling: 121,
    normalization: 118,
    older: None,
};

fn read_layer(file: &mut SourceFile, range: Range<u64>, version: &Version) -> Result<Layer> {
    let mut message = Message::new(range);
    let mut layer = Layer::default();
    while let Some(Field { number, value }) = message.next(file)? {
        if number == version.name {
            layer.name = value.text(file)?;
        } else if number == version.kind {
            (layer.word, layer.stranger) = match value {
                Value::Varint(kind) => {
                    let known = word_of_number(kind);
                    (known.flatten(), known.is_none().then(|| kind.to_string()))
                }
                text => {
                    let kind = text.text(file)?;
                    let known = word_of_text(&kind);
                    (known.flatten(), known.is_none().then_some(kind))
                }
            };
        } else if number == version.blobs {
            if layer.blobs.len() == MOST_BLOBS {
                let problem = Problem::new(format!("layer {}", quoted(&layer.name)));
                return Err(problem.expected(format!("at most {MOST_BLOBS} blobs"), "more"));
            }
            layer.blobs.push(read_blob(file, value.range()?)?);
        } else if number == version.convolution {
            layer.operation = Some(convolution(file, value.range()?)?);
        } else if number == version.pooling {
            layer.operation = Some(pooling(file, value.range()?)?);
        } else if number == version.normalization {
            layer.operation = Some(normalization(file, value.range()?)?);
        } else if Some(number) == version.older {
            let what = "its layers are of the version before the first";
            let advice = "convert it with Caffe's upgrade_net_proto_binary";
            return Err(Problem::new(what).advice(advice));
        }
    }
    Ok(layer)
}

/// The word for a `V1LayerParameter.LayerType`, if its order matters; nothing for one that changes
/// what a network computes and that no AlexNet has.
fn word_of_number(kind: u64) -> Option<Option<&'static str>> {
    match kind {
        4 => Some(Some("conv")),
        14 => Some(Some("linear")),
        15 => Some(Some("lrn")),
        17 => Some(Some("max-pool")), // or as its message says
        // None, accuracy, data, dropout, flatten, HDF5 data and output, image data, ReLU, softmax,
        // its loss, split, window data, memory data, argmax, dummy data, silence
        0 | 1 | 5 | 6 | 8 | 9 | 10 | 12 | 18 | 20 | 21 | 22 | 24 | 29 | 30 | 32 | 36 => Some(None),
        _ => None,
    }
}

/// The same for the type of a `LayerParameter`.
fn word_of_text(kind: &str) -> Option<Option<&'static str>> {
    match kind {
        "Convolution" => Some(Some("conv")),
        "InnerProduct" => Some(Some("linear")),
        "LRN" => Some(Some("lrn")),
        "Pooling" => Some(Some("max-pool")),
        "Accuracy" | "ArgMax" | "Data" | "Dropout" | "DummyData" | "Flatten" | "HDF5Data"
        | "HDF5Output" | "ImageData" | "Input" | "MemoryData" | "Python" | "ReLU" | "Silence"
        | "Softmax" | "SoftmaxWithLoss" | "Split" | "WindowData" => Some(None),
        _ => None,
    }
}
