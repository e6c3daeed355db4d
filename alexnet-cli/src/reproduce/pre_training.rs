//! Claims about pre-training: a network that begins with the layers of another, and one that does
//! not.

use anyhow::Result;

use super::Attempt;

pub(super) fn run(_attempt: &Attempt<'_>) -> Result<()> {
    anyhow::bail!("not yet")
}
