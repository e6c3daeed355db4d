//! Predictions as text, JSON or CSV.

use alexnet_data::imagenet_words;
use alexnet_train::{Prediction, ranking};
use serde_json::json;

use crate::class_words::first;
use crate::csv::row;
use crate::output::{OutputError, Report, json_path};

/// How predictions are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Csv,
}

/// Prints one prediction after another.
pub(super) struct Printer<'a> {
    format: Format,
    /// The names of the classes, in the order of the logits.
    classes: &'a [String],
    top: usize,
}

impl<'a> Printer<'a> {
    pub(super) fn new(format: Format, classes: &'a [String], top: usize) -> Self {
        Self { format, classes, top }
    }

    /// What comes before the first prediction.
    pub(super) fn begin(&self) -> Result<(), OutputError> {
        match self.format {
            Format::Csv => writeln!(Report, "image,rank,class,words,probability"),
            Format::Text | Format::Json => Ok(()),
        }
    }

    pub(super) fn print(&self, prediction: &Prediction) -> Result<(), OutputError> {
        let image = json_path(prediction.source.path());
        let ranked = ranking(&prediction.probabilities, self.top);
        let ranked = ranked.into_iter().map(|(class, probability)| {
            let name = self.classes.get(class).map_or("?", String::as_str);
            (name, imagenet_words(name), probability)
        });
        match self.format {
            Format::Json => {
                let classes = ranked.map(|(class, words, probability)| {
                    json!({"class": class, "words": words, "probability": probability})
                });
                let classes: Vec<_> = classes.collect();
                writeln!(Report, "{}", json!({"image": image, "classes": classes}))
            }
            Format::Csv => {
                let mut rows = String::new();
                for (rank, (name, words, probability)) in ranked.enumerate() {
                    let (rank, probability) = ((rank + 1).to_string(), probability.to_string());
                    row(&mut rows, [&image, &*rank, name, words.unwrap_or(""), &*probability]);
                }
                write!(Report, "{rows}")
            }
            Format::Text => {
                writeln!(Report, "{}", prediction.source.path().display())?;
                for (name, words, probability) in ranked {
                    let class = match words {
                        Some(words) => format!("{} ({name})", first(words)),
                        None => name.to_owned(),
                    };
                    writeln!(Report, "  {:5.1} %  {class}", 100.0 * probability)?;
                }
                Ok(())
            }
        }
    }
}
