//! `README.md`, the card of a model: what is known of it, and nothing else.

use alexnet_model::NetworkSpec;

use super::WEIGHTS;
use crate::export::text::{input_in_words, plain};
use crate::export::weights::Weights;
use crate::recipe::Mean;

/// The card.
pub(super) fn text(weights: &Weights, is_torchvision: bool) -> String {
    let description = &weights.description;
    let NetworkSpec { name, about, source, layers, .. } = &description.network;
    let layers: Vec<&str> = layers.iter().map(|layer| layer.kind.word()).collect();
    let parameters: usize = weights.tensors.iter().map(|(_, tensor)| tensor.elem_count()).sum();
    let recipe = &description.recipe;
    let mut facts = vec![
        format!("Network: `{}`, {}", plain(name), sentence(about)),
        format!("Parameters: {parameters}, in {} layers with weights", weights.tensors.len() / 2),
        format!("Layers: {}", layers.join(", ")),
        format!("Input: {}", input_in_words(description)),
        format!("Classes: {}, listed in `config.json`", description.classes.len()),
        format!("Recipe: `{}`, {}", plain(&recipe.name), sentence(&recipe.about)),
    ];
    if !source.is_empty() {
        facts.insert(1, format!("Source of its constants: {}", plain(source)));
    }
    if recipe.input.mean != Mean::Channel {
        facts.push(
            "The mean that is subtracted is an image, in `alexnet.json`; `config.json` has the \
             mean of each channel, which gives other numbers"
                .to_owned(),
        );
    }
    let facts: String = facts.iter().map(|fact| format!("- {fact}.\n")).collect();
    let (import, make) = if is_torchvision {
        (
            "import torchvision",
            format!("torchvision.models.alexnet(num_classes={})", classes(weights)),
        )
    } else {
        ("from model import Network  # model.py of this folder", "Network()".to_owned())
    };
    format!(
        "---\npipeline_tag: image-classification\ntags:\n- image-classification\n- alexnet\n---\n\n\
         # {}\n\n{facts}\n\
         With PyTorch:\n\n```python\n{import}\nfrom safetensors.torch import load_file\n\n\
         network = {make}.eval()\n\
         network.load_state_dict(load_file(\"{WEIGHTS}\"))\n```\n\n\
         With AlexNet in Rust, for which the file says what else has to be known:\n\n\
         ```sh\nalexnet import {WEIGHTS} --output weights.safetensors\n\
         alexnet predict --checkpoint weights.safetensors photo.jpg\n```\n",
        plain(name)
    )
}

fn classes(weights: &Weights) -> usize {
    weights.description.classes.len()
}

/// A text without the full stop at its end.
fn sentence(text: &str) -> String {
    plain(text).trim_end_matches('.').to_owned()
}
