//! The labels of a WebDataset: numbers, or names of classes.

use super::archive::Archive;
use super::names::named_classes;
use super::tar::Member;
use crate::error::{Error, Result, few};
use crate::manifest::Class;
use std::collections::HashMap;
use std::path::Path;

/// Labels are below this number, because the manifest has a class for each.
const MAX_LABEL: u32 = 1 << 20;
/// The most bytes of a file with a label.
const MAX_BYTES: u64 = 256;
/// The file with the names of the classes, one a line. Without it, they are the labels.
const NAMES: &str = "classnames.txt";

/// The different texts of labels, each with the number of samples that have it.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashMap<String, usize>,
    texts: Vec<(String, usize)>,
}

impl Texts {
    /// Reads a label; its place among the different texts, or why it is none.
    pub(super) fn read(
        &mut self,
        archive: &Archive,
        member: &Member,
    ) -> Result<Result<usize, String>> {
        if member.length > MAX_BYTES {
            return Ok(Err(format!("its label has {} bytes, over {MAX_BYTES}", member.length)));
        }
        let mut bytes = vec![0; member.length as usize];
        archive.read_at(&mut bytes, member.offset)?;
        let Ok(text) = String::from_utf8(bytes) else {
            return Ok(Err("its label is no text in UTF-8".into()));
        };
        let text = text.trim();
        if text.is_empty() || text.contains('\n') {
            return Ok(Err("its label is not one line of text".into()));
        }
        let number = *self.numbers.entry(text.to_owned()).or_insert_with(|| {
            self.texts.push((text.to_owned(), 0));
            self.texts.len() - 1
        });
        self.texts[number].1 += 1;
        Ok(Ok(number))
    }

    /// The number of different texts so far.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The classes and the label that each text means; or, in words, why it means none. The texts
    /// before `train` are those of the train split.
    ///
    /// The labels are numbers if most samples have one; otherwise they are names of classes, which
    /// are numbered in sorted order.
    pub(super) fn classes(self, input: &Path, train: usize) -> Result<Labels> {
        let number = |text: &str| text.parse().ok().filter(|label: &u32| *label < MAX_LABEL);
        let samples = |texts: &mut dyn Iterator<Item = &(String, usize)>| -> usize {
            texts.map(|(_, samples)| samples).sum()
        };
        let with_number = samples(&mut self.texts.iter().filter(|(t, _)| number(t).is_some()));
        let (names, texts) = (input.join(NAMES), self.texts);
        let has_names = names.is_file();
        if 2 * with_number >= samples(&mut texts.iter()) {
            let count =
                texts.iter().filter_map(|t| number(&t.0)).max().map_or(0, |n| n + 1) as usize;
            let classes = match has_names {
                true => named_classes(&names, count..=usize::MAX)?,
                false => (0..count).map(|label| Class::named(label.to_string())).collect(),
            };
            let reason = |text| format!("its label {text:?} is no number below {MAX_LABEL}");
            let labels = texts.iter().map(|(text, _)| number(text).ok_or_else(|| reason(text)));
            return Ok(Labels { classes, labels: labels.collect() });
        }
        let mut train_texts: Vec<_> = texts[..train].iter().map(|(text, _)| text.clone()).collect();
        train_texts.sort();
        let classes: Vec<Class> = match has_names {
            true => named_classes(&names, 1..=usize::MAX)?,
            false => train_texts.into_iter().map(Class::named).collect(),
        };
        let by_name: HashMap<_, _> = classes.iter().map(|c| c.name.as_str()).zip(0u32..).collect();
        let unknown = texts.iter().map(|(text, _)| text).filter(|t| !by_name.contains_key(&***t));
        let unknown: Vec<_> = unknown.cloned().collect();
        if !unknown.is_empty() && !has_names {
            let problem = format!(
                "{} classes are not among the {} of the train split: {}; remove them, or add them \
                 to train",
                unknown.len(),
                classes.len(),
                few(&unknown)
            );
            return Err(Error::source(input, problem));
        }
        let reason = |text| format!("its label {text:?} is not in {NAMES}");
        let labels = texts.iter().map(|(t, _)| by_name.get(&**t).copied().ok_or_else(|| reason(t)));
        let labels = labels.collect();
        Ok(Labels { classes, labels })
    }
}

/// What the different texts of labels mean.
pub(super) struct Labels {
    pub(super) classes: Vec<Class>,
    /// For each text its label, or the reason why it is none.
    pub(super) labels: Vec<Result<u32, String>>,
}
