//! One of the networks and recipes that an experiment compares.

use alexnet_model::{NetworkPatch, NetworkSpec};

use super::recipe_patch::RecipePatch;
use crate::error::Error;
use crate::recipe::Recipe;
use crate::recipe::schedule::Schedule;
use crate::train::pretrained::Pretrained;

/// One of the networks and recipes that an experiment compares. It is trained once for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name, which is that of its folder too.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// What the paper says that the difference is worth; empty for the base.
    pub published: String,
    /// The network, before it gets the outputs of the dataset.
    pub network: NetworkSpec,
    /// The recipe.
    pub recipe: Recipe,
    /// A checkpoint with whose layers it begins.
    pub pretrained: Option<Pretrained>,
}

impl Arm {
    /// What all others are compared with.
    pub fn base(network: NetworkSpec, recipe: Recipe) -> Self {
        let about = format!("network `{}` by recipe `{}`", network.name, recipe.name);
        let (name, published) = ("base".to_owned(), String::new());
        Self { name, about, published, network, recipe, pretrained: None }
    }

    /// This arm with changes.
    ///
    /// # Errors
    ///
    /// [`Error::Network`] and [`Error::Recipe`] for a change that changes nothing, or that cannot
    /// be made.
    pub fn changed(
        &self,
        name: &str,
        about: &str,
        network: &[NetworkPatch],
        recipe: &RecipePatch,
    ) -> Result<Self, Error> {
        let network = self.network.patched(network)?;
        let mut recipe = recipe.apply(&self.recipe)?;
        forget_layers(&mut recipe, &network);
        let (name, about) = (name.to_owned(), about.to_owned());
        Ok(Self { name, about, published: String::new(), network, recipe, pretrained: None })
    }
}

/// Takes rates and changes of layers out of a recipe that `network` does not have.
fn forget_layers(recipe: &mut Recipe, network: &NetworkSpec) {
    let has = |name: &str| network.layers.iter().any(|layer| layer.name == name);
    recipe.layers.retain(|name, _| has(name));
    if let Schedule::Fixed { changes } = &mut recipe.schedule {
        changes.retain(|change| change.layer.as_deref().is_none_or(has));
    }
}
