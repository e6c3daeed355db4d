//! `alexnet verify`: compares every checksum of a dataset, and repairs damaged shards.

use std::path::PathBuf;

use alexnet_data::{repair, verify};
use anyhow::{Result, bail};

use crate::progress::with_bar;

/// Check every byte of a dataset; make damaged shards again
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Dataset folder
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Make the damaged shards again, from the input the dataset was prepared from
    #[arg(long, requires = "input")]
    repair: bool,
    /// That input
    #[arg(long, value_name = "PATH", requires = "repair")]
    input: Option<PathBuf>,
    /// Its validation tree, where that lay elsewhere
    #[arg(long, value_name = "PATH", requires = "repair")]
    val: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let dir = &arguments.data;
    let check = || with_bar("verify", |report| verify(dir, report));
    let mut faults = check()?;
    faults.iter().for_each(|fault| println!("{fault}"));
    if let Some(input) = arguments.input.as_ref().filter(|_| !faults.is_empty()) {
        let repaired = with_bar("repair", |report| {
            repair(dir, input, arguments.val.as_deref(), &|p| report(p.done, p.total))
        });
        println!("made again: {}", repaired?.join(", "));
        faults = check()?;
    }
    if !faults.is_empty() {
        let (dir, n) = (dir.display(), faults.len());
        let faults = if n == 1 { "fault" } else { "faults" };
        bail!("{dir} has {n} {faults}: repair it with --repair --input");
    }
    println!("{}: every checksum is right", dir.display());
    Ok(())
}
