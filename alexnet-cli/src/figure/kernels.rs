//! `alexnet figure kernels`: the kernels of the first convolution, as the paper's Figure 3.

use std::path::PathBuf;

use alexnet_train::{Checkpoint, Kernels};
use anyhow::Result;

use super::checkpoint::checkpoint_file;
use super::output::OutputArguments;
use crate::drawing::{Drawing, Picture};
use crate::file;

/// The kernels of the first convolution, tower by tower (Figure 3)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A checkpoint, or the folder of a run: then its final weights, or the latest it has
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

/// The side of a kernel, and the space between two.
const SIDE: f64 = 50.0;
const GAP: f64 = 4.0;
/// The space between two towers.
const TOWER_GAP: f64 = 14.0;
/// The most kernels in a row, as in the paper.
const COLUMNS: usize = 16;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.output.check()?;
    let path = checkpoint_file(&arguments.checkpoint)?;
    file::check_regular(&path)?;
    let checkpoint = Checkpoint::load(&path)?;
    arguments.output.write(&draw(&Kernels::first(&checkpoint)?))
}

/// The kernels of each tower in rows, the first tower's above.
pub(crate) fn draw(kernels: &Kernels) -> Drawing {
    let Kernels { layer, size: [height, width], towers, weights } = kernels;
    let each = weights.len().div_ceil(*towers).max(1);
    // Rows of equal length where that is possible: 24 kernels make two rows of 12.
    let rows = each.div_ceil(COLUMNS);
    let columns = each.div_ceil(rows);
    let step = SIDE + GAP;
    let total = [
        columns as f64 * step + GAP,
        (towers * rows) as f64 * step + GAP + (towers - 1) as f64 * (TOWER_GAP - GAP),
    ];
    let title = format!("The {} kernels of {layer}, {height} × {width}", weights.len());
    let mut drawing = Drawing::new(total[0], total[1], title);
    for n in 0..weights.len() {
        let (tower, place) = (n / each, n % each);
        let row = (tower * rows + place / columns) as f64;
        let y = GAP + row * step + tower as f64 * (TOWER_GAP - GAP);
        let x = GAP + (place % columns) as f64 * step;
        let of_tower = if *towers > 1 { format!(", tower {}", tower + 1) } else { String::new() };
        let picture = Picture {
            pixels: kernels.picture(n),
            title: format!("kernel {}{of_tower}", n + 1),
            photograph: false,
        };
        drawing.picture(x, y, SIDE, SIDE, picture);
    }
    drawing
}
