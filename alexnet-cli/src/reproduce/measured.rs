//! What was measured of each claim so far: `claims/measured.toml`.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A result of one claim.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    /// The claim's name.
    pub(super) claim: String,
    /// `demo`, `small` or `full`.
    pub(super) scale: String,
    /// What was found, in one line.
    pub(super) found: String,
    /// The dataset, seeds and epochs.
    pub(super) conditions: String,
    /// The program's commit.
    pub(super) commit: String,
    /// The day, year first.
    pub(super) date: String,
    /// The folder of its record.
    pub(super) record: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    measured: Vec<Measured>,
}

/// All results, the newest last.
pub(super) fn all() -> Result<Vec<Measured>> {
    let file: File = toml::from_str(include_str!("../../claims/measured.toml"))
        .context("claims/measured.toml")?;
    Ok(file.measured)
}
