//! Claims about error rates: the arms are trained and compared.

use anyhow::Result;

use super::Attempt;
use crate::comparison::Comparison;

pub(super) fn run(attempt: &Attempt<'_>) -> Result<()> {
    let Attempt { trial, runs, claim, folder, seeds, .. } = attempt;
    for (word, views) in trial.views.iter().zip(attempt.views()?) {
        let arms = trial.arms(runs)?;
        let test = (trial.split.as_str(), views);
        let experiment = runs.experiment(folder.clone(), arms, *seeds, test)?;
        let title = format!("{}, views: {word}", attempt.title());
        let name = match trial.views.len() {
            1 => claim.name.to_owned(),
            _ => format!("{}-views-{word}", claim.name),
        };
        let comparison = Comparison::new(experiment, &name, &title)?;
        if runs.dry_run {
            return comparison.tell_plan(runs.json);
        }
        runs.print(&title);
        comparison.run_and_print(runs.json)?;
    }
    Ok(())
}
