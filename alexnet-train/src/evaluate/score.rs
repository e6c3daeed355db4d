//! What one image counts for, and the sums over many.

use serde::{Deserialize, Serialize};

/// How wrong a network is on a split.
///
/// An image counts as right where its label is among the most probable classes. Classes that tie
/// for the last places share them: of ten classes that are equally probable, an image is half right
/// among the first five.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// How many views of each image were averaged.
    pub views: usize,
    /// The mean of −log of the averaged probability of the right class.
    pub loss: f64,
    /// The images whose most probable class is wrong, per cent.
    pub top1_error: f64,
    /// The images whose five most probable classes are all wrong, per cent.
    pub top5_error: f64,
}

/// How many guesses an image has: the k of top-k errors, rising. 1 and 5 are always among them.
///
/// ```
/// let tops = alexnet_train::Tops::new(&[10, 1, 10]);
/// assert_eq!(tops.all(), [1, 5, 10]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tops(Vec<usize>);

impl Tops {
    /// 1, 5 and each of `more`.
    pub fn new(more: &[usize]) -> Self {
        let mut all = [&[1, 5], more].concat();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Each k once, the smallest first.
    pub fn all(&self) -> &[usize] {
        &self.0
    }
}

/// What one image counts for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageScore {
    /// Its number in its split, in the order in which the records are stored.
    pub record: usize,
    /// Its class.
    pub label: u32,
    /// The most probable class; of several, the first.
    pub predicted: u32,
    /// −log of the probability of its class, at most 708.
    pub loss: f64,
    /// The share of it, from 0 to 1, that is right among the first k guesses, for each k of
    /// [`Tops`].
    pub credit: Vec<f64>,
}

impl ImageScore {
    /// The score of an image whose classes have these `probabilities`.
    ///
    /// Where its class has places left to share with others that are as probable, it gets the
    /// number of places over the number of classes, as in the authors' code.
    ///
    /// ```
    /// use alexnet_train::{ImageScore, Tops};
    ///
    /// let score = ImageScore::new(0, 2, &[0.1, 0.3, 0.3, 0.3], &Tops::new(&[2]));
    /// assert_eq!(score.credit, [1.0 / 3.0, 2.0 / 3.0, 1.0]); // of k = 1, 2 and 5
    /// assert_eq!(score.predicted, 1);
    /// ```
    pub fn new(record: usize, label: u32, probabilities: &[f64], tops: &Tops) -> Self {
        // A label that the network does not tell apart has no probability.
        let right = probabilities.get(label as usize).copied().unwrap_or(f64::NAN);
        let above = probabilities.iter().filter(|p| **p > right).count();
        let ties = probabilities.iter().filter(|p| **p == right).count();
        let credit = |places: &usize| match ties {
            0 => 0.0,
            ties => (places.saturating_sub(above) as f64 / ties as f64).min(1.0),
        };
        let top = |best: (usize, f64), (class, &p)| if p > best.1 { (class, p) } else { best };
        let (predicted, _) = probabilities.iter().enumerate().fold((0, f64::NEG_INFINITY), top);
        Self {
            record,
            label,
            predicted: predicted as u32,
            loss: -right.max(f64::MIN_POSITIVE).ln(),
            credit: tops.0.iter().map(credit).collect(),
        }
    }
}

/// The sums over the images of a split, or of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    tops: Tops,
    images: usize,
    loss: f64,
    right: Vec<f64>,
}

impl Totals {
    /// Of no images yet.
    pub fn new(tops: &Tops) -> Self {
        Self { tops: tops.clone(), images: 0, loss: 0.0, right: vec![0.0; tops.0.len()] }
    }

    /// Adds an image. Its score has to be for the same k.
    pub fn add(&mut self, score: &ImageScore) {
        self.images += 1;
        self.loss += score.loss;
        self.right.iter_mut().zip(&score.credit).for_each(|(sum, credit)| *sum += credit);
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The mean loss; NaN of no images.
    pub fn loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    /// Each k with the images that are wrong among the first k guesses, per cent; NaN of no images.
    pub fn errors(&self) -> impl Iterator<Item = (usize, f64)> {
        let count = self.images as f64;
        let error = move |right: &f64| 100.0 * (count - right) / count;
        self.tops.0.iter().copied().zip(self.right.iter().map(error))
    }

    /// The share of images that are wrong among the first `k` guesses, per cent; NaN where that `k`
    /// was not asked for.
    pub fn error(&self, k: usize) -> f64 {
        self.errors().find(|(of, _)| *of == k).map_or(f64::NAN, |(_, error)| error)
    }

    /// Loss and errors of one guess and of five, with so many views.
    pub fn evaluation(&self, views: usize) -> Evaluation {
        let (images, loss) = (self.images, self.loss());
        let (top1_error, top5_error) = (self.error(1), self.error(5));
        Evaluation { images, views, loss, top1_error, top5_error }
    }
}
