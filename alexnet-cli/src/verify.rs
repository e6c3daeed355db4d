//! `alexnet verify`: compares every checksum of a dataset, and repairs damaged shards.

use std::fmt;
use std::path::PathBuf;

use alexnet_data::{Error, repair, verify};
use anyhow::{Result, bail};

use crate::output::Report;
use crate::progress::with_bar;

/// Check every byte of a dataset; make damaged shards again
///
/// The exit code is 0 for a whole dataset, 1 for a damaged one, and 3 where it could not be
/// checked or repaired: too little memory, too few open files, no permission, a missing folder.
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

/// The system did not let a dataset be checked or repaired to its end. That has an exit code of its
/// own, because such a dataset may be whole.
#[derive(Debug)]
pub(crate) struct Refused {
    dir: PathBuf,
    what: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not {} to its end", self.dir.display(), self.what)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let dir = &arguments.data;
    let explain = |error: Error, what| {
        let refused = matches!(error, Error::Io { .. });
        let error = anyhow::Error::from(error);
        if refused { error.context(Refused { dir: dir.clone(), what }) } else { error }
    };
    let check = || {
        let checked = with_bar("verify", |report| verify(dir, report));
        checked.map_err(|error| explain(error, "checked"))
    };
    let mut faults = check()?;
    // A fault is repaired and counted although no one reads of it.
    let mut said = faults.iter().try_for_each(|fault| writeln!(Report, "{fault}"));
    if let Some(input) = arguments.input.as_ref().filter(|_| !faults.is_empty()) {
        let repaired = with_bar("repair", |report| {
            repair(dir, input, arguments.val.as_deref(), &|p| report(p.done, p.total))
        });
        let repaired = repaired.map_err(|error| explain(error, "repaired"))?;
        if !repaired.is_empty() {
            said = said.and(writeln!(Report, "made again: {}", repaired.join(", ")));
        }
        faults = check()?;
    }
    if !faults.is_empty() {
        let (dir, n) = (dir.display(), faults.len());
        let faults = if n == 1 { "fault" } else { "faults" };
        if arguments.repair {
            bail!("{dir} still has {n} {faults}: copy these files again, or prepare it again")
        }
        bail!("{dir} has {n} {faults}: repair it with --repair --input");
    }
    said?;
    writeln!(Report, "{}: every checksum is right", dir.display())?;
    Ok(())
}
