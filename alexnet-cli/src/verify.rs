//! `alexnet verify`: compares every checksum of a dataset, and repairs damaged shards.

use std::path::PathBuf;

use alexnet_data::{repair, verify};
use anyhow::{Result, bail};

use crate::progress::bar;

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
    let check = || {
        let bar = bar("verify", 0);
        let faults = verify(dir, &|done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        faults
    };
    let mut faults = check()?;
    faults.iter().for_each(|fault| println!("{fault}"));
    if let Some(input) = arguments.input.as_ref().filter(|_| !faults.is_empty()) {
        let bar = bar("repair", 0);
        let done = repair(dir, input, arguments.val.as_deref(), &|p| {
            bar.set_length(p.total);
            bar.set_position(p.done);
        });
        bar.finish_and_clear();
        println!("made again: {}", done?.join(", "));
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
