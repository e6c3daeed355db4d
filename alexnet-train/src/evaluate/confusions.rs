//! Which classes are taken for which.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::score::ImageScore;

/// So many images of one class were taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Their class.
    pub label: u32,
    /// The most probable class; of several, the first.
    pub predicted: u32,
    /// The number of images.
    pub images: u64,
}

/// The pairs of classes that were confused. A pair that never came up takes no memory, so there are
/// never more than images: a table of all pairs of 21,841 classes would have 477 million.
///
/// ```
/// use alexnet_train::{Confusions, ImageScore, Tops};
///
/// let mut confusions = Confusions::default();
/// for label in [0, 1, 2, 2] {
///     confusions.add(&ImageScore::new(0, label, &[0.2, 0.7, 0.1], &Tops::new(&[])));
/// }
/// let worst = confusions.worst(1)[0];
/// assert_eq!((worst.label, worst.predicted, worst.images), (2, 1, 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusions(HashMap<(u32, u32), u64>);

impl Confusions {
    /// Adds an image, if it was taken for another class.
    pub fn add(&mut self, score: &ImageScore) {
        if score.label != score.predicted {
            *self.0.entry((score.label, score.predicted)).or_default() += 1;
        }
    }

    /// The `most` pairs with the most images, the worst first; of the same number of images, in the
    /// order of the classes.
    pub fn worst(&self, most: usize) -> Vec<Confusion> {
        let pair =
            |(&(label, predicted), &images): (&_, &_)| Confusion { label, predicted, images };
        let mut all: Vec<_> = self.0.iter().map(pair).collect();
        all.sort_unstable_by_key(|c| (std::cmp::Reverse(c.images), c.label, c.predicted));
        all.truncate(most);
        all
    }
}
