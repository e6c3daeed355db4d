//! The learning rate and decay of each parameter in a step.

use alexnet_kernels::Sgd;
use alexnet_model::{FrozenLayers, Network, Parameter, Role};

use crate::recipe::schedule::Moment;
use crate::recipe::{Rates, Recipe};

impl Recipe {
    /// Rate and decay of a layer's weights or biases, before a plateau lowers the rate.
    ///
    /// ```
    /// use alexnet_model::Role;
    /// use alexnet_train::{Moment, Recipe};
    ///
    /// let recipe = Recipe::preset("original", &[])?;
    /// let at = |epoch| Moment { epoch, step: 0 };
    /// let rates = [0, 25, 79].map(|epoch| recipe.rates(at(epoch), "conv2", Role::Weight).rate);
    /// assert_eq!(rates, [0.01, 0.001, 0.00001]);
    /// assert_eq!(recipe.rates(at(0), "conv2", Role::Bias).rate, 0.02);
    /// # Ok::<(), alexnet_train::Error>(())
    /// ```
    pub fn rates(&self, at: Moment, layer: &str, role: Role) -> Rates {
        let is_weight = role == Role::Weight;
        let own = self.layers.get(layer);
        let own = own.and_then(|own| if is_weight { own.weights } else { own.biases });
        let own = own.unwrap_or_default();
        let all = if is_weight { self.weights } else { self.biases };
        let mut rates =
            Rates { rate: own.rate.unwrap_or(all.rate), decay: own.decay.unwrap_or(all.decay) };
        let mut has_own = own.rate.is_some();
        for change in self.schedule.changes_until(at) {
            let rate = if is_weight { change.weights } else { change.biases };
            let applies = change.layer.as_ref().map_or(!has_own, |name| name == layer);
            if let (Some(rate), true) = (rate, applies) {
                rates.rate = rate;
                has_own |= change.layer.is_some();
            }
        }
        rates
    }
}

/// The update rule of each parameter, in the network's order, at a step of a run with so many steps
/// an epoch. All rates are multiplied by `factor`, that of
/// [`Progress::rate_factor`](crate::Progress::rate_factor).
pub fn step_rates(
    recipe: &Recipe,
    factor: f32,
    at: Moment,
    steps_per_epoch: usize,
    network: &Network,
) -> Vec<Sgd> {
    let [of_weights, of_biases] =
        [Role::Weight, Role::Bias].map(|role| factor * recipe.factor(at, steps_per_epoch, role));
    let rule = |p: &Parameter| {
        let rates = recipe.rates(at, &p.layer, p.role);
        let factor = if p.role == Role::Weight { of_weights } else { of_biases };
        Sgd { rate: rates.rate * factor, momentum: recipe.momentum, decay: rates.decay }
    };
    network.parameters().map(rule).collect()
}

/// The layers that are frozen in a step with these rates: all before the first layer of which
/// weights or biases are updated. A parameter whose rate is 0 is not updated.
pub(crate) fn frozen_layers(rates: &[Sgd], network: &Network) -> FrozenLayers {
    network.frozen_layers(|index| rates.get(index).is_some_and(|rule| rule.rate > 0.0))
}

/// The rate of the last layer's weights, which people mean by "the learning rate".
pub(crate) fn headline_rate(rates: &[Sgd], network: &Network) -> f32 {
    let weights = network.parameters().zip(rates).filter(|(p, _)| p.role == Role::Weight);
    weights.map(|(_, rule)| rule.rate).last().unwrap_or(0.0)
}
