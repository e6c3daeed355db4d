//! `alexnet compare`: in what runs differ, and what came of it.

mod differences;
mod results;

use std::path::PathBuf;

use alexnet_train::{RunConfig, RunFolder, RunLog};
use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::json;

use self::differences::{Difference, differences};
use self::results::Results;
use crate::csv;
use crate::figure::curves::names;
use crate::output::{Report, json_path};
use crate::width::COLUMNS;

/// The columns of a table of more than two runs, for each of them and for the names of the rows.
const COLUMN: usize = 26;

/// Compare runs: the lines of recipe and network that differ, and the results
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders of runs
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print a table as CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (mut configs, mut results): (Vec<RunConfig>, Vec<Results>) = Default::default();
    for path in &arguments.runs {
        let run = RunFolder::new(path);
        configs.push(run.config()?);
        let log = if run.log().exists() { RunLog::read(&run)? } else { RunLog::default() };
        results.push(Results::new(&run, &log));
    }
    let differences = differences(&configs);
    let rows = || differences.iter().map(Difference::row).chain(Results::rows(&results));
    let header = || [String::new()].into_iter().chain(names(&arguments.runs));
    if arguments.json {
        let runs: Vec<_> = arguments.runs.iter().map(|run| json_path(run)).collect();
        let all = json!({ "runs": runs, "differences": differences, "results": results });
        writeln!(Report, "{all}")?;
    } else if arguments.csv {
        let mut table = String::new();
        csv::row(&mut table, header());
        rows().for_each(|row| csv::row(&mut table, row));
        write!(Report, "{table}")?;
    } else {
        let mut table = Table::new();
        let columns = COLUMNS.max(if results.len() > 2 { COLUMN * (results.len() + 1) } else { 0 });
        table.load_style(NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns as u16);
        table.set_header(header()).add_rows(rows());
        if differences.is_empty() {
            writeln!(Report, "no differences in recipe, network, seed and data")?;
        }
        writeln!(Report, "{}", table.trim_fmt())?;
    }
    Ok(())
}
