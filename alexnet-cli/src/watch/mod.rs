//! `alexnet watch`: a run on the screen, from a process of its own that only reads.
//!
//! It can begin and end at any time, and the training does not know of it. Where there is no
//! terminal, it prints what is known and ends.

mod charts;
mod curves;
mod facts;
mod palette;
mod panels;
mod plain;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod watched;

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use alexnet_train::RunFolder;
use anyhow::{Result, bail};

use self::watched::Watched;
use crate::runs::find::runs_below;

/// The most runs that a message names.
const NAMED: usize = 5;

/// Watch a run while it trains, or when it is done: curves, time left, errors, events
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Print what is known now as plain text, and end; so it is anyhow where no terminal is
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut watched = Watched::new(folder(&arguments.run)?)?;
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if arguments.once || dumb || !stdout().is_terminal() {
        plain::print(&watched)
    } else {
        terminal::show(&mut watched)
    }
}

/// The run in a folder, or the only one below it.
fn folder(path: &Path) -> Result<RunFolder> {
    match &runs_below(path)[..] {
        [only] => Ok(RunFolder::new(only)),
        [] => bail!(
            "{} holds no run: give the folder that `alexnet train --run` was given",
            path.display()
        ),
        runs => {
            let more = if runs.len() > NAMED { ", …" } else { "" };
            let names: Vec<_> = runs.iter().take(NAMED).map(|r| r.display().to_string()).collect();
            let (path, count, names) = (path.display(), runs.len(), names.join(", "));
            bail!("{path} holds {count} runs: name one of them: {names}{more}")
        }
    }
}
