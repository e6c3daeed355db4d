//! The tables of an evaluation as CSV: of its members, of the classes, of the images.

use alexnet_train::Totals;

use super::results::Results;
use crate::csv;

/// One line for each member, and one for all together.
pub(super) fn summary(results: &Results, top_k: &[usize]) -> String {
    let mut table = String::new();
    let names = top_k.iter().map(|k| format!("top{k}_error"));
    let first = ["member", "views", "images", "loss"].map(str::to_owned);
    csv::row(&mut table, first.into_iter().chain(names));
    let mut row = |name: &str, views: usize, totals: &Totals| {
        let errors = top_k.iter().map(|k| totals.error(*k).to_string());
        let first = [name.to_owned(), views.to_string()];
        let numbers = [totals.images().to_string(), totals.loss().to_string()];
        csv::row(&mut table, first.into_iter().chain(numbers).chain(errors));
    };
    for member in &results.members {
        row(&member.name, member.views, &member.totals);
    }
    if results.members.len() > 1 {
        row("together", results.evaluation().views, &results.together);
    }
    table
}

/// One line for each class that has images.
pub(super) fn per_class(results: &Results) -> String {
    let mut table = String::new();
    let names = results.tops.all().iter().map(|k| format!("top{k}_error"));
    let first = ["label", "class", "words", "images", "loss"].map(str::to_owned);
    csv::row(&mut table, first.into_iter().chain(names));
    let classes = results.classes.iter().zip(&results.of_classes).enumerate();
    for (label, (class, totals)) in classes.filter(|(_, (_, totals))| totals.images() > 0) {
        let words = class.words.clone().unwrap_or_default();
        let first = [label.to_string(), class.name.clone(), words, totals.images().to_string()];
        let errors = totals.errors().map(|(_, error)| error.to_string());
        csv::row(&mut table, first.into_iter().chain([totals.loss().to_string()]).chain(errors));
    }
    table
}

/// One line for each image, in the order of the records.
pub(super) fn per_image(results: &Results) -> String {
    let mut table = String::new();
    let names = results.tops.all().iter().map(|k| format!("top{k}"));
    let first = ["record", "label", "predicted", "loss"].map(str::to_owned);
    csv::row(&mut table, first.into_iter().chain(names));
    for image in &results.images {
        let numbers = [image.record.to_string(), image.label.to_string()];
        let numbers = numbers.into_iter().chain([image.predicted.to_string()]);
        let numbers = numbers.chain([image.loss.to_string()]);
        csv::row(&mut table, numbers.chain(image.credit.iter().map(f64::to_string)));
    }
    table
}
