//! Layers that a recipe does not train.

use crate::recipe::schedule::Schedule;
use crate::recipe::{LayerRates, OwnRates, Recipe};

impl Recipe {
    /// Freezes layers: the rates of their weights and biases are 0 for the whole run.
    ///
    /// ```
    /// use alexnet_model::Role;
    /// use alexnet_train::{Moment, Recipe};
    ///
    /// let mut recipe = Recipe::preset("original", &[])?;
    /// recipe.freeze(&["conv1"]);
    /// for epoch in [0, 67] {
    ///     let at = Moment { epoch, step: 0 };
    ///     assert_eq!(recipe.rates(at, "conv1", Role::Weight).rate, 0.0);
    ///     assert_eq!(recipe.rates(at, "conv1", Role::Bias).rate, 0.0);
    /// }
    /// # Ok::<(), alexnet_train::Error>(())
    /// ```
    pub fn freeze(&mut self, layers: &[&str]) {
        let none = Some(OwnRates { rate: Some(0.0), decay: Some(0.0) });
        for layer in layers {
            self.layers.insert((*layer).to_owned(), LayerRates { weights: none, biases: none });
        }
        if let Schedule::Fixed { changes } = &mut self.schedule {
            let is_frozen = |name: &String| layers.contains(&name.as_str());
            for change in changes.iter_mut().filter(|c| c.layer.as_ref().is_some_and(is_frozen)) {
                (change.weights, change.biases) = (None, None);
            }
        }
    }
}
