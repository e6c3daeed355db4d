//! `alexnet figure`: the paper's figures, of any run.

mod activations;
pub(crate) mod chart;
pub(crate) mod checkpoint;
pub(crate) mod curves;
pub(crate) mod guesses;
pub(crate) mod kernels;
mod neighbours;
pub(crate) mod output;
mod predictions;

use anyhow::Result;

/// Draw the paper's figures of a run, as SVG or PNG
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Debug, clap::Subcommand)]
enum Figure {
    Kernels(kernels::Arguments),
    Curves(curves::Arguments),
    Predictions(predictions::Arguments),
    Neighbours(neighbours::Arguments),
    Activations(activations::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.figure {
        Figure::Kernels(arguments) => kernels::run(arguments),
        Figure::Curves(arguments) => curves::run(arguments),
        Figure::Predictions(arguments) => predictions::run(arguments),
        Figure::Neighbours(arguments) => neighbours::run(arguments),
        Figure::Activations(arguments) => activations::run(arguments),
    }
}
