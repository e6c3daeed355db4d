//! The list of claims, each with its command and with what was measured last.

use anyhow::Result;
use serde_json::json;

use super::claim::Claim;
use super::measured;
use crate::output::Report;

pub(super) fn print(as_json: bool) -> Result<()> {
    let (claims, results) = (Claim::all()?, measured::all()?);
    let last = |name: &str| results.iter().rev().find(|result| result.claim == name);
    if as_json {
        let claims = claims.iter().map(|claim| {
            let Claim { name, section, claim: text, published, run, .. } = claim;
            json!({
                "name": name, "section": section, "claim": text, "published": published,
                "run": run, "commands": commands(claim), "measured": last(name),
            })
        });
        writeln!(Report, "{}", json!(claims.collect::<Vec<_>>()))?;
        return Ok(());
    }
    writeln!(Report, "What the paper claims, and the command that tries it\n")?;
    for claim in &claims {
        let Claim { name, section, claim: text, published, run, .. } = claim;
        writeln!(Report, "{name}  ({section})\n  {text}")?;
        for line in published {
            writeln!(Report, "  the paper   {line}")?;
        }
        writeln!(Report, "  their run   {run}")?;
        for command in commands(claim) {
            writeln!(Report, "  command     {command}")?;
        }
        match last(name) {
            None => writeln!(Report, "  measured    not yet\n")?,
            Some(result) => writeln!(
                Report,
                "  measured    {}\n              --scale {}: {} ({}, {})\n",
                result.found, result.scale, result.conditions, result.date, result.commit
            )?,
        }
    }
    Ok(())
}

/// A command for each scale.
fn commands(claim: &Claim) -> Vec<String> {
    let command = |scale: super::claim::Scale| -> Option<String> {
        let trial = claim.trial(scale).ok()?;
        let (data, word) = (trial.data_word(), scale.word());
        Some(format!("alexnet reproduce {} --scale {word}{data}", claim.name))
    };
    claim.scales().filter_map(command).collect()
}
