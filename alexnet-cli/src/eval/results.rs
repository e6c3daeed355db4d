//! What an evaluation found: of each member, of all together, of each class, of each image.

use std::path::Path;

use alexnet_data::Class;
use alexnet_train::{Confusions, Evaluation, ImageScore, Predictions, Tops, Totals};

use crate::output::json_path;

/// The results of an evaluation.
pub(super) struct Results {
    pub(super) tops: Tops,
    pub(super) classes: Vec<Class>,
    pub(super) members: Vec<MemberResult>,
    pub(super) together: Totals,
    /// Of all members together, by label.
    pub(super) of_classes: Vec<Totals>,
    /// Of all members together.
    pub(super) confusions: Confusions,
    pub(super) keep_images: bool,
    /// Of all members together, where they are kept.
    pub(super) images: Vec<ImageScore>,
}

/// One network, or one file of probabilities.
pub(super) struct MemberResult {
    pub(super) name: String,
    pub(super) views: usize,
    pub(super) totals: Totals,
}

impl Results {
    pub(super) fn new(tops: Tops, classes: Vec<Class>) -> Self {
        let totals = Totals::new(&tops);
        Self {
            of_classes: vec![totals.clone(); classes.len()],
            together: totals,
            tops,
            classes,
            members: Vec::new(),
            confusions: Confusions::default(),
            keep_images: false,
            images: Vec::new(),
        }
    }

    pub(super) fn add_member(&mut self, path: &Path, views: usize) {
        let (name, totals) = (json_path(path).into_owned(), Totals::new(&self.tops));
        self.members.push(MemberResult { name, views, totals });
    }

    /// Adds the next images.
    pub(super) fn add(&mut self, predictions: &Predictions<'_>) {
        let together = predictions.scores(&self.tops);
        for (member, probabilities) in self.members.iter_mut().zip(predictions.members) {
            let scores = predictions.scores_of(probabilities, &self.tops);
            scores.iter().for_each(|score| member.totals.add(score));
        }
        for score in &together {
            self.together.add(score);
            self.confusions.add(score);
            if let Some(class) = self.of_classes.get_mut(score.label as usize) {
                class.add(score);
            }
        }
        if self.keep_images {
            self.images.extend(together);
        }
    }

    /// All together; of members with different numbers of views the largest.
    pub(super) fn evaluation(&self) -> Evaluation {
        let views = self.members.iter().map(|member| member.views).max();
        self.together.evaluation(views.unwrap_or(1))
    }

    /// A class by its name and, where there are words for it, the first of them.
    pub(super) fn class(&self, label: u32) -> String {
        let Some(class) = self.classes.get(label as usize) else { return label.to_string() };
        let words = class.words.as_deref().and_then(|words| words.split(',').next());
        words.map_or_else(|| class.name.clone(), |words| format!("{} {words}", class.name))
    }
}
