//! What is known of a run as plain text.

use anyhow::Result;

use super::watched::Watched;
use crate::output::Report;
use crate::width::{COLUMNS, fold};

/// The most events that are printed, the newest.
const EVENTS: usize = 10;

/// Prints it once, to the width that `COLUMNS` says or 80.
pub(super) fn print(watched: &Watched) -> Result<()> {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    for line in lines(watched) {
        writeln!(Report, "{}", fold(&line, columns.unwrap_or(COLUMNS)))?;
    }
    Ok(())
}

pub(super) fn lines(watched: &Watched) -> Vec<String> {
    let mut facts = vec![
        ("run", watched.folder.path().display().to_string()),
        ("state", watched.state()),
        ("what", watched.what()),
        ("data", watched.config.data.display().to_string()),
        ("progress", watched.progress()),
    ];
    facts.extend(watched.numbers());
    facts.extend(watched.shares());
    let mut lines: Vec<String> =
        facts.iter().map(|(label, value)| format!("{label:<12}{value}")).collect();
    let events = watched.events();
    lines.extend(events[events.len().saturating_sub(EVENTS)..].iter().cloned());
    lines
}
