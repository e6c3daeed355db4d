//! `alexnet selftest`: whether a device computes what it should, as a table.

use alexnet_train::{DeviceName, Precision, SelftestOptions, SelftestRow, selftest};
use anyhow::{Result, ensure};

use crate::output::{OutputError, Report};

/// Test a device: every operation and a training step against the formulas
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// cpu, or cuda:0, cuda:1, … (a build with --features cuda)
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// f32, tf32 or bf16; may be repeated [default: f32 on the CPU, all three on GPUs]
    #[arg(long)]
    precision: Vec<Precision>,
    /// On GPUs: only algorithms that give the same bits each time, and a test that they do
    #[arg(long)]
    deterministic: bool,
    /// Make the results of an operation wrong, to see that the test finds it: conv2d, lrn, step, …
    #[arg(long, hide = true, value_name = "OPERATION")]
    spoil: Vec<String>,
    /// Print one JSON object a comparison and nothing else on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let precisions = match (&arguments.precision[..], arguments.device) {
        ([], DeviceName::Cpu) => vec![Precision::F32],
        ([], DeviceName::Cuda(_)) => vec![Precision::Bf16, Precision::Tf32, Precision::F32],
        (given, _) => given.to_vec(),
    };
    let options = SelftestOptions {
        device: arguments.device,
        precisions,
        deterministic: arguments.deterministic,
        spoil: arguments.spoil.clone(),
    };
    let mut lines = Ok(());
    let rows = selftest(&options, &mut |row| {
        if arguments.json && lines.is_ok() {
            let line = serde_json::to_string(row).map_err(anyhow::Error::from);
            lines = line.and_then(|line| Ok(writeln!(Report, "{line}")?));
        }
    })?;
    let shown = if arguments.json { lines } else { show(&rows).map_err(Into::into) };
    // What misses is an error, also where no one reads the table.
    let (missed, count) = (rows.iter().filter(|row| !row.passed).count(), rows.len());
    ensure!(missed == 0, "{}: {missed} of {count} comparisons miss", arguments.device);
    shown?;
    if !arguments.json {
        writeln!(Report, "{}: all {count} comparisons pass", arguments.device)?;
    }
    Ok(())
}

/// Prints a line for each result of each operation: the comparison whose error was the largest
/// share of its bound.
fn show(rows: &[SelftestRow]) -> Result<(), OutputError> {
    writeln!(
        Report,
        "{:<9} {:<9} {:<24} {:<16} {:>9} {:>9}",
        "precision", "operation", "", "worst at", "error", "bound"
    )?;
    let key = |row: &SelftestRow| [&row.precision, &row.operation, &row.what].map(String::clone);
    let share = |row: &SelftestRow| match row.error / row.bound {
        share if row.error == 0.0 || row.passed && share.is_nan() => 0.0,
        share if share.is_nan() => f64::INFINITY,
        share => share,
    };
    let mut worst: Vec<&SelftestRow> = Vec::new();
    for row in rows {
        match worst.iter_mut().find(|other| key(other) == key(row)) {
            None => worst.push(row),
            Some(other) if share(row) >= share(other) => *other = row,
            Some(_) => {}
        }
    }
    for SelftestRow { precision, operation, what, shape, error, bound, passed, refused } in worst {
        let verdict = match refused {
            Some(reason) => &format!("MISS: {reason}"),
            None if *passed => "pass",
            None => "MISS",
        };
        writeln!(
            Report,
            "{precision:<9} {operation:<9} {what:<24} {shape:<16} {error:>9.1e} {bound:>9.1e}  \
             {verdict}"
        )?;
    }
    Ok(())
}
