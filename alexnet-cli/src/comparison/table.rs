//! The results of an experiment as a table: for the terminal, as Markdown, as CSV.

use alexnet_train::{ArmOutcome, Difference, Measure, Outcome};

use crate::csv;

/// Lines for the terminal, aligned.
pub(super) fn lines(outcome: &Outcome) -> Vec<String> {
    let width = outcome.arms.iter().map(|arm| arm.name.len()).max().unwrap_or(0).max(4);
    let row = |name: &str, cells: [String; 4]| {
        let [top1, more1, top5, more5] = cells;
        format!("{name:<width$}  {top1:>14}  {more1:<22}  {top5:>14}  {more5}")
    };
    let head = ["top-1 error", "points more (95 %)", "top-5 error", "points more (95 %)"];
    let mut lines = vec![row("arm", head.map(str::to_owned))];
    lines.extend(outcome.arms.iter().map(|arm| row(&arm.name, cells(arm)).trim_end().to_owned()));
    lines
}

/// A page of Markdown.
pub(super) fn markdown(outcome: &Outcome, title: &str, conditions: &str) -> String {
    let mut page = format!("# {title}\n\n{conditions}\n\n");
    page += "| arm | what it is | parameters | seeds | top-1 error, % | points more (95 %) | ";
    page += "top-5 error, % | points more (95 %) | the paper |\n";
    page += "|---|---|---:|---:|---:|---|---:|---|---|\n";
    for arm in &outcome.arms {
        let [top1, more1, top5, more5] = cells(arm);
        let ArmOutcome { name, about, published, parameters, seeds, .. } = arm;
        page += &format!(
            "| {name} | {about} | {parameters} | {} | {top1} | {more1} | {top5} | {more5} | \
             {published} |\n",
            seeds.len()
        );
    }
    page + "\nErrors are means over the seeds ± their standard deviation. Differences are to the \
            first arm, over the same seeds and images; their intervals are those of a bootstrap \
            over seeds and images. An interval without 0 is in bold.\n"
}

/// One row for each arm, with the error of each seed.
pub(super) fn csv(outcome: &Outcome) -> String {
    let mut table = String::new();
    let seeds = outcome.arms.iter().map(|arm| arm.seeds.len()).max().unwrap_or(0);
    let measures = ["top1", "top5"].map(|top| {
        let mut names = ["error", "deviation", "difference", "low", "high"]
            .map(|column| format!("{top}_{column}"))
            .to_vec();
        names.extend((1..=seeds).map(|n| format!("{top}_error_{n}")));
        names
    });
    let head = ["arm", "about", "parameters", "seeds"].map(str::to_owned);
    csv::row(&mut table, head.into_iter().chain(measures.into_iter().flatten()));
    for arm in &outcome.arms {
        let count = arm.seeds.len().to_string();
        let mut fields =
            vec![arm.name.clone(), arm.about.clone(), arm.parameters.to_string(), count];
        for measure in [&arm.top1, &arm.top5] {
            let number = |n: Option<f64>| n.map_or(String::new(), |n| format!("{n:.4}"));
            let more = measure.difference;
            fields.push(number(Some(measure.mean()).filter(|mean| mean.is_finite())));
            fields.push(number(measure.deviation()));
            fields.extend(
                [more.map(|d| d.mean), more.map(|d| d.low), more.map(|d| d.high)].map(number),
            );
            fields.extend((0..seeds).map(|seed| number(measure.errors.get(seed).copied())));
        }
        csv::row(&mut table, fields);
    }
    table
}

/// Error and difference of both measures.
fn cells(arm: &ArmOutcome) -> [String; 4] {
    let [one, five] = [&arm.top1, &arm.top5].map(|m| (error(m), more(m.difference)));
    [one.0, one.1, five.0, five.1]
}

fn error(measure: &Measure) -> String {
    match measure.deviation() {
        _ if measure.errors.is_empty() => "diverged".to_owned(),
        None => format!("{:.2}", measure.mean()),
        Some(deviation) => format!("{:.2} ± {deviation:.2}", measure.mean()),
    }
}

fn more(difference: Option<Difference>) -> String {
    let Some(Difference { mean, low, high }) = difference else { return String::new() };
    let bold = if low > 0.0 || high < 0.0 { "**" } else { "" };
    format!("{bold}{mean:+.2}{bold} ({low:+.2} to {high:+.2})")
}
