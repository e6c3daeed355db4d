//! What an evaluation prints: lines for people, one JSON object, or CSV.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use alexnet_data::write_atomic;
use alexnet_train::{Confusion, Evaluation, Totals};
use anyhow::Result;
use serde::Serialize;

use super::Arguments;
use super::results::Results;
use super::tables;
use crate::output::Report;

/// Writes the files that were asked for, and then what is printed.
pub(super) fn write(arguments: &Arguments, split: &str, results: &Results) -> Result<()> {
    // The files first: a reader of the table that goes away does not cost them.
    let save =
        |path: &Path, table: String| write_atomic(path, |file| file.write_all(table.as_bytes()));
    if let Some(path) = &arguments.per_class {
        save(path, tables::per_class(results))?;
    }
    if let Some(path) = &arguments.per_image {
        save(path, tables::per_image(results))?;
    }
    if arguments.json {
        return json(arguments, split, results);
    }
    let top_k = in_order(&arguments.top_k);
    if arguments.csv {
        write!(Report, "{}", tables::summary(results, &top_k))?;
        return Ok(());
    }
    people(split, results, &top_k)?;
    arguments.confusions.map_or(Ok(()), |most| confusions(results, most))
}

/// The k that were asked for, rising, each once.
fn in_order(top_k: &[usize]) -> Vec<usize> {
    let mut top_k = top_k.to_vec();
    top_k.sort_unstable();
    top_k.dedup();
    top_k
}

/// One line for one member; a table for several.
fn people(split: &str, results: &Results, top_k: &[usize]) -> Result<()> {
    let Evaluation { images, views, loss, .. } = results.evaluation();
    let s = if views == 1 { "" } else { "s" };
    if let [_] = &results.members[..] {
        let error = |k: &usize| format!("top-{k} error {:.2} %", results.together.error(*k));
        let errors: Vec<String> = top_k.iter().map(error).collect();
        writeln!(
            Report,
            "{images} images of split `{split}`, {views} view{s}: {}, loss {loss:.4}",
            errors.join(", ")
        )?;
        return Ok(());
    }
    let together = format!("the mean of all {}", results.members.len());
    let names = results.members.iter().map(|member| member.name.chars().count());
    let width = names.chain([together.len()]).max().unwrap_or_default();
    writeln!(Report, "{images} images of split `{split}`")?;
    let errors: String =
        top_k.iter().map(|k| format!("  {:>12}", format!("top-{k} error"))).collect();
    writeln!(Report, "{:width$}  views{errors}    loss", "")?;
    let row = |name: &str, views: usize, totals: &Totals| {
        let errors: String =
            top_k.iter().map(|k| format!("  {:>10.2} %", totals.error(*k))).collect();
        writeln!(Report, "{name:width$}  {views:>5}{errors}  {:.4}", totals.loss())
    };
    for member in &results.members {
        row(&member.name, member.views, &member.totals)?;
    }
    row(&together, views, &results.together)?;
    Ok(())
}

/// The pairs of classes that are confused most often, the worst first.
fn confusions(results: &Results, most: usize) -> Result<()> {
    let worst = results.confusions.worst(most);
    let rows: Vec<_> = worst
        .iter()
        .map(|pair| {
            let all = results.of_classes.get(pair.label as usize).map_or(0, Totals::images);
            let share = format!("{} of {all}", pair.images);
            [share, results.class(pair.label), results.class(pair.predicted)]
        })
        .collect();
    let width = |column: usize, title: &str| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.chain([title.len()]).max().unwrap_or_default()
    };
    let (images, class) = (width(0, "images"), width(1, "of class"));
    writeln!(Report)?;
    writeln!(Report, "{:>images$}  {:class$}  taken for", "images", "of class")?;
    for [share, label, predicted] in &rows {
        writeln!(Report, "{share:>images$}  {label:class$}  {predicted}")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    evaluation: Evaluation,
    /// Per cent, by k.
    top_k_error: BTreeMap<usize, f64>,
    split: &'a str,
    members: Vec<JsonMember<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_class: Option<Vec<JsonClass<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confusions: Option<Vec<JsonConfusion<'a>>>,
}

#[derive(Serialize)]
struct JsonMember<'a> {
    name: &'a str,
    #[serde(flatten)]
    evaluation: Evaluation,
    top_k_error: BTreeMap<usize, f64>,
}

#[derive(Serialize)]
struct JsonClass<'a> {
    class: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
    images: usize,
    loss: f64,
    top_k_error: BTreeMap<usize, f64>,
}

#[derive(Serialize)]
struct JsonConfusion<'a> {
    class: &'a str,
    predicted: &'a str,
    images: u64,
}

fn json(arguments: &Arguments, split: &str, results: &Results) -> Result<()> {
    let members = results.members.iter().map(|member| JsonMember {
        name: &member.name,
        evaluation: member.totals.evaluation(member.views),
        top_k_error: member.totals.errors().collect(),
    });
    let classes = results.classes.iter().zip(&results.of_classes);
    let per_class =
        classes.filter(|(_, totals)| totals.images() > 0).map(|(class, totals)| JsonClass {
            class: &class.name,
            words: class.words.as_deref(),
            images: totals.images(),
            loss: totals.loss(),
            top_k_error: totals.errors().collect(),
        });
    let name = |label: u32| results.classes.get(label as usize).map_or("?", |c| c.name.as_str());
    let confusions = |most| {
        let worst = results.confusions.worst(most).into_iter();
        let pair = |pair: Confusion| JsonConfusion {
            class: name(pair.label),
            predicted: name(pair.predicted),
            images: pair.images,
        };
        worst.map(pair).collect()
    };
    let object = Json {
        evaluation: results.evaluation(),
        top_k_error: results.together.errors().collect(),
        split,
        members: members.collect(),
        per_class: arguments.per_class.is_some().then(|| per_class.collect()),
        confusions: arguments.confusions.map(confusions),
    };
    writeln!(Report, "{}", serde_json::to_string(&object)?)?;
    Ok(())
}

/// The error rates of an evaluation in words.
pub(crate) fn error_rates(score: &Evaluation) -> String {
    format!("top-1 error {:.2} %, top-5 error {:.2} %", score.top1_error, score.top5_error)
}
