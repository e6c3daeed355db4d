//! ONNX files: those that this program exported, which describe themselves, and AlexNets of others,
//! which are known by the operations of their graph.
//!
//! The file is walked field by field. Nodes and texts are read; of the constants, which are nearly
//! all of the file, it is only found out where they lie. Those of others may be called anything, so
//! that theirs get the names that our presets have for layers in the same order.

mod chain;
mod constant;

use std::collections::BTreeMap;
use std::ops::Range;

use prost::Message as _;

use self::chain::Chain;
use self::constant::Constant;
use super::file::SourceFile;
use super::operation::ordered;
use super::problem::{Problem, Result, quoted};
use super::protobuf::{Field, Message};
use super::source::{MOST_TENSORS, Source};
use crate::checkpoint::description::KEY;
use crate::onnx::messages::{Entry, Node, ValueInfo};

/// The most nodes. An AlexNet has 40.
const MOST_NODES: usize = 4096;

/// The bytes of all nodes together. Those of an AlexNet have 5,000.
const NODES: usize = 1 << 20;

/// The bytes of the longest description: that of a mean image is the most of it.
const DESCRIPTION: usize = 8 << 20;

/// The bytes of what is said of an input or an output.
const VALUE_INFO: usize = 1 << 16;

/// What a graph has.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    constants: BTreeMap<String, Constant>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
}

/// Whether a file that starts with these bytes is one: the version of its format, number 1, and
/// then a text, the graph or a list.
pub(crate) fn is_model(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=0x1f, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42 | 0x72, ..])
}

/// The tensors of a file.
pub(crate) fn read(file: &mut SourceFile) -> Result<Source> {
    let mut message = Message::new(0..file.length());
    let (mut graph, mut operators, mut description) = (None, false, None);
    while let Some(Field { number, value }) = message.next(file)? {
        match number {
            7 if graph.is_some() => return Err(Problem::new("it has two graphs")),
            7 => graph = Some(read_graph(file, value.range()?)?),
            8 => operators = true,
            14 => {
                let entry = Entry::decode(&file.bytes(value.range()?, DESCRIPTION)?[..]);
                let entry = entry.map_err(damaged)?;
                description = if entry.key == KEY { Some(entry.value) } else { description };
            }
            _ => {}
        }
    }
    let graph = graph.ok_or_else(|| Problem::new("it is an ONNX file without a graph"))?;
    if !operators {
        // They come after the graph in most files.
        return Err(Problem::new("it is cut short: it does not say its version of operators"));
    }
    let mut source = Source::new("ONNX file", file.length());
    source.description = description;
    if source.description.is_some() {
        source.has_others = true;
        for (name, constant) in graph.constants {
            source.add(constant.tensor(name)?)?;
        }
        return Ok(source);
    }
    let chain = Chain::of(&graph)?;
    source.layers = ordered(&chain.operations);
    source.input = chain.input;
    source.operations = chain.operations;
    for tensor in chain.tensors {
        source.add(tensor)?;
    }
    Ok(source)
}

fn read_graph(file: &mut SourceFile, range: Range<u64>) -> Result<Graph> {
    let (mut message, mut graph, mut left) = (Message::new(range), Graph::default(), NODES);
    while let Some(Field { number, value }) = message.next(file)? {
        match number {
            1 => {
                if graph.nodes.len() == MOST_NODES {
                    let problem = Problem::new("it is not the graph of an AlexNet");
                    return Err(problem.expected(format!("at most {MOST_NODES} nodes"), "more"));
                }
                let bytes = file.bytes(value.range()?, left)?;
                left -= bytes.len();
                graph.nodes.push(Node::decode(&bytes[..]).map_err(damaged)?);
            }
            5 => {
                let (name, constant) = constant::read(file, value.range()?)?;
                if graph.constants.len() == MOST_TENSORS {
                    let problem = Problem::new("it is not the graph of an AlexNet");
                    let most = format!("at most {MOST_TENSORS} constants");
                    return Err(problem.expected(most, "more"));
                }
                if graph.constants.contains_key(&name) {
                    let what = format!("two of its constants are called {}", quoted(&name));
                    return Err(Problem::new(what));
                }
                graph.constants.insert(name, constant);
            }
            11 | 12 => {
                let bytes = file.bytes(value.range()?, VALUE_INFO)?;
                let info = ValueInfo::decode(&bytes[..]).map_err(damaged)?;
                let list = if number == 11 { &mut graph.inputs } else { &mut graph.outputs };
                if list.len() == MOST_TENSORS {
                    return Err(Problem::new("it is not the graph of an AlexNet"));
                }
                list.push(info);
            }
            _ => {}
        }
    }
    Ok(graph)
}

fn damaged(error: prost::DecodeError) -> Problem {
    Problem::new(format!("it is damaged, or no ONNX file: {error}"))
}
