//! What a network makes of validation images: examples, its surest mistakes, and which classes it
//! takes for which others.

use std::collections::HashMap;

use alexnet_data::{Dataset, Split, sample};
use alexnet_train::predict_records;
use anyhow::{Result, ensure};

use crate::figure::checkpoint::Loaded;
use crate::figure::guesses::{Guessed, class_words};

/// Validation images that are looked at for a page, at most: seconds, also for large networks.
const MOST: usize = 2_000;
/// Images that are shown, and mistakes.
const SHOWN: usize = 8;
const MISTAKES: usize = 4;
/// Confusions that are listed.
const CONFUSIONS: usize = 10;

/// What a network makes of validation images.
pub(crate) struct Examples {
    /// The number of images that were looked at, and of all there are.
    pub(crate) images: [usize; 2],
    /// Images drawn by a seed.
    pub(crate) drawn: Vec<Guessed>,
    /// The wrong guesses of the highest probability.
    pub(crate) mistakes: Vec<Guessed>,
    /// The most frequent first.
    pub(crate) confusions: Vec<Confusion>,
}

/// Images of one class that were taken for another.
pub(crate) struct Confusion {
    pub(crate) right: String,
    pub(crate) guess: String,
    /// How often, and of how many images of the class.
    pub(crate) count: usize,
    pub(crate) images: usize,
    /// The image that was taken for it most surely.
    pub(crate) example: Guessed,
}

/// A record that was looked at.
struct Seen {
    record: usize,
    right: usize,
    probabilities: Vec<f64>,
    /// The most probable class.
    guess: usize,
}

impl Examples {
    /// Lets the network look at validation images that are evenly spaced, so of all classes.
    pub(crate) fn new(loaded: &Loaded, data: &Dataset) -> Result<Self> {
        let split = data.split("val")?;
        ensure!(!split.is_empty(), "the dataset has no validation images");
        let count = split.len().min(MOST);
        let records: Vec<usize> = (0..count).map(|n| n * split.len() / count).collect();
        let rows = predict_records(&loaded.network, &loaded.inputs, split, &records, &mut |_| ())?;
        let seen = records.into_iter().zip(rows).map(|(record, probabilities)| {
            let right = split.label(record)? as usize;
            let guess = most_probable(&probabilities);
            Ok(Seen { record, right, probabilities, guess })
        });
        let seen = seen.collect::<Result<Vec<_>>>()?;
        let guessed = |seen: &Seen| Guessed::record(data, split, seen.record, &seen.probabilities);
        let drawn = sample(seen.len(), SHOWN, 1).into_iter().map(|n| guessed(&seen[n]));
        let mut wrong: Vec<&Seen> = seen.iter().filter(|seen| seen.guess != seen.right).collect();
        // Surest first; the sort is stable, so that of equally sure ones the first record leads.
        wrong.sort_by(|a, b| b.sureness().total_cmp(&a.sureness()));
        Ok(Self {
            images: [seen.len(), split.len()],
            drawn: drawn.collect::<Result<_>>()?,
            mistakes: wrong.iter().take(MISTAKES).map(|s| guessed(s)).collect::<Result<_>>()?,
            confusions: confusions(data, split, &seen, &wrong)?,
        })
    }
}

impl Seen {
    fn sureness(&self) -> f64 {
        self.probabilities.get(self.guess).copied().unwrap_or(0.0)
    }
}

fn most_probable(probabilities: &[f64]) -> usize {
    let pairs = probabilities.iter().enumerate().rev(); // of equal ones the first
    pairs.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class)
}

/// The pairs of classes that are confused most often; `wrong` has the surest first.
fn confusions(
    data: &Dataset,
    split: &Split,
    seen: &[Seen],
    wrong: &[&Seen],
) -> Result<Vec<Confusion>> {
    let mut counts: HashMap<(usize, usize), (usize, &Seen)> = HashMap::new();
    for seen in wrong {
        counts.entry((seen.right, seen.guess)).or_insert((0, seen)).0 += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(pair, (count, _))| (std::cmp::Reverse(*count), *pair));
    let confusions =
        counts.into_iter().take(CONFUSIONS).map(|((right, guess), (count, example))| {
            Ok(Confusion {
                right: class_words(data, right),
                guess: class_words(data, guess),
                count,
                images: seen.iter().filter(|seen| seen.right == right).count(),
                example: Guessed::record(data, split, example.record, &example.probabilities)?,
            })
        });
    confusions.collect()
}
