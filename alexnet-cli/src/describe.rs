//! `alexnet describe`: a network as a table.

use alexnet_model::{FusedLayer, Shape};
use anyhow::Result;
use indicatif::HumanCount;
use serde::Serialize;

use crate::output::Report;
use crate::preset::NetworkArguments;

/// Print a network as a table: layer, output shape, parameters, multiply-adds
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A network in numbers.
#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) layers: Vec<Row>,
    pub(crate) parameters: u64,
    pub(crate) macs: u64,
}

/// One layer of the file in numbers.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) output: Vec<usize>,
    pub(crate) parameters: u64,
    pub(crate) macs: u64,
}

impl Table {
    pub(crate) fn new(layers: &[FusedLayer]) -> Self {
        let rows = layers.iter().flat_map(|layer| {
            let row = |name: &String, kind, output: Shape, parameters, macs| {
                let (name, output) = (name.clone(), output.dims());
                Row { name, kind, output, parameters, macs }
            };
            let (parameters, macs) = (layer.parameter_count(), layer.multiply_adds());
            // What is fused into the layer is a layer of the file too. Only an LRN, whose output
            // is as its input, takes a pooling.
            let own = if layer.pool.is_some() { layer.input } else { layer.output };
            let own = row(&layer.name, layer.kind.word(), own, parameters, macs);
            let pool = layer.pool.iter().map(|pool| (&pool.name, "max-pool"));
            let fused = pool.chain(layer.relu.iter().map(|name| (name, "relu")));
            let rows = fused.map(move |(name, kind)| row(name, kind, layer.output, 0, 0));
            std::iter::once(own).chain(rows)
        });
        let layers: Vec<Row> = rows.collect();
        let parameters = layers.iter().map(|row| row.parameters).sum();
        Self { parameters, macs: layers.iter().map(|row| row.macs).sum(), layers }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let spec = arguments.network.spec()?;
    let table = Table::new(&spec.fused_layers()?);
    if arguments.json {
        writeln!(Report, "{}", serde_json::to_string(&table)?)?;
        return Ok(());
    }
    let [c, h, w] = spec.input;
    writeln!(Report, "{}: {}\nsource: {}\n", spec.name, spec.about, spec.source)?;
    writeln!(
        Report,
        "{:<8} {:<9} {:>14} {:>12} {:>14}",
        "layer", "kind", "output", "parameters", "multiply-adds"
    )?;
    writeln!(Report, "{:<8} {:<9} {:>14}", "input", "", shape(&[c, h, w]))?;
    let number = |n| if n == 0 { String::new() } else { grouped(n) };
    for row in &table.layers {
        let output = shape(&row.output);
        let (parameters, macs) = (number(row.parameters), number(row.macs));
        writeln!(
            Report,
            "{:<8} {:<9} {output:>14} {parameters:>12} {macs:>14}",
            row.name, row.kind
        )?;
    }
    let (parameters, macs) = (grouped(table.parameters), grouped(table.macs));
    writeln!(Report, "{:<8} {:<9} {:>14} {parameters:>12} {macs:>14}", "total", "", "")?;
    Ok(())
}

fn shape(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// `60965224` as `60,965,224`.
pub(crate) fn grouped(n: u64) -> String {
    HumanCount(n).to_string()
}
