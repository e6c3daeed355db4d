//! What weights are good for, without the weights: it travels with files of other formats.

use alexnet_data::Preprocessing;
use alexnet_model::NetworkSpec;
use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::recipe::Recipe;

/// What has to be known to use the weights of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub network: NetworkSpec,
    /// The recipe it was trained with, which says how pixels become its input.
    pub recipe: Recipe,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// How image files become pixels.
    pub preprocessing: Preprocessing,
}

impl Checkpoint {
    /// What has to be known to use these weights.
    pub fn description(&self) -> Description {
        Description {
            network: self.network.clone(),
            recipe: self.recipe.clone(),
            classes: self.classes.clone(),
            preprocessing: self.preprocessing,
        }
    }
}

/// A description and a mean image as one text, which lies beside weights whose format has no place
/// for them: `alexnet.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Companion {
    pub(crate) description: Description,
    /// The text of `mean_image.rs`.
    pub(crate) mean_image: String,
}

impl Companion {
    /// The name of its file.
    pub(crate) const FILE: &str = "alexnet.json";
}
