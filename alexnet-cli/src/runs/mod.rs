//! `alexnet runs`: the runs below a folder in a table, and what other commands know of a run.

pub(crate) mod facts;
pub(crate) mod find;
mod listed;
pub(crate) mod moment;
mod table;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::json;

use self::find::runs_below;
use self::listed::ListedRun;
use crate::message::one_line;
use crate::output::{Report, complain};

/// List the runs below a folder: how they stand, how far they are, their errors, their sizes
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder with runs, also in folders of it
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    ensure!(folder.is_dir(), "{}: no such folder; name one with runs", folder.display());
    let mut runs = Vec::new();
    for path in runs_below(folder) {
        match ListedRun::read(folder, &path) {
            Ok(run) => runs.push(run),
            // One that cannot be read is no reason not to list the others.
            Err(error) => complain(&format!("warning: {}", one_line(&error))),
        }
    }
    if arguments.json {
        writeln!(Report, "{}", json!({ "runs": runs }))?;
    } else if runs.is_empty() {
        writeln!(Report, "{}: no runs in it or in its folders", folder.display())?;
    } else {
        writeln!(Report, "{}", table::table(&runs, moment::now()))?;
    }
    Ok(())
}
