//! `alexnet report`: one HTML file about one run or several, which needs no network.
//!
//! What cannot be made, because a dataset was moved away or a run has no weights yet, is left out
//! with a sentence that says why; it is never an error.

mod curves;
mod examples;
mod page;
mod run;
pub(crate) mod settings;
mod tables;

use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{check_replaceable, write_atomic};
use alexnet_train::{ComputeDevice, RunFolder};
use anyhow::{Result, ensure};

use self::page::Page;
use self::run::RunReport;
use crate::device::DeviceArguments;
use crate::figure::curves::names;
use crate::output::Report;

/// Write a page about one run or several: results, curves, kernels, predictions, recipe
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders of runs
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The file to write: one HTML file that needs no other [default: report.html in the folder of
    /// the first run]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let [first, ..] = &arguments.runs[..] else { return Ok(()) }; // clap asks for one
    let output = arguments.output.clone().unwrap_or_else(|| RunFolder::new(first).page());
    let is_page = output.extension().is_some_and(|e| e == "html" || e == "htm");
    ensure!(is_page, "--output {}: a report is a page: give a name in .html", output.display());
    let devices = arguments.device.open_all()?;
    write(&arguments.runs, &output, &devices)?;
    writeln!(Report, "report   {}", output.display())?;
    Ok(())
}

/// Writes the page about these runs, whole or not at all.
pub(crate) fn write(runs: &[PathBuf], output: &Path, devices: &[ComputeDevice]) -> Result<()> {
    check_replaceable(output)?;
    let named = names(runs).into_iter().zip(runs).enumerate();
    let reports = named.map(|(n, (name, path))| RunReport::new(n, name, path, devices));
    let page = Page::new(reports.collect::<Result<Vec<_>>>()?)?;
    let html = page.html()?;
    Ok(write_atomic(output, |file| file.write_all(html.as_bytes()))?)
}
