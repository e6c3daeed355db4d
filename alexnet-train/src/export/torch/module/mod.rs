//! The file of a PyTorch module for a network: for people to read, and to run the weights with.

mod helpers;
mod statements;

use alexnet_model::NetworkSpec;

use crate::checkpoint::description::Description;
use crate::error::Error;
use crate::export::text::{input_in_words, plain};

/// By what a file is known to be such a module.
const OURS: &str = "Written by `alexnet export`";

/// Whether a file is such a module.
pub(super) fn is_ours(file: &[u8]) -> bool {
    String::from_utf8_lossy(file).contains(OURS)
}

/// The module for weights that are in a file of the name `weights`.
pub(super) fn text(description: &Description, weights: &str) -> Result<String, Error> {
    let network = &description.network;
    let head = head(description, &plain(weights));
    let helpers = helpers::needed(network);
    let (parameters, statements) =
        (statements::parameters(network)?, statements::forward(network)?);
    let indented = |lines: Vec<String>| -> String {
        lines.iter().map(|line| format!("        {line}\n")).collect()
    };
    let [channels, h, w] = network.input;
    Ok(format!(
        "{head}\n\
         import torch\n\
         from torch import nn\n\
         from torch.nn import functional as F\n\n\n\
         {helpers}class Network(nn.Module):\n    \
             def __init__(self):\n        \
                 super().__init__()\n{}\n    \
             def forward(self, x):  # (N, {channels}, {h}, {w})\n{}        \
                 return x\n",
        indented(parameters),
        indented(statements),
    ))
}

/// What the file is, and how it is used.
fn head(description: &Description, weights: &str) -> String {
    let NetworkSpec { name, about, input: [c, h, w], .. } = &description.network;
    let load = if weights.ends_with(".safetensors") {
        format!("safetensors.torch.load_file(\"{weights}\")")
    } else {
        format!("torch.load(\"{weights}\", weights_only=True)")
    };
    format!(
        "\"\"\"{}: {}.\n\n\
         {OURS}. Its weights:\n\n    \
             network = Network().eval()\n    \
             network.load_state_dict({load})\n    \
             logits = network(images)  # (N, {})\n\n\
         images: (N, {c}, {h}, {w}), {}.\n\
         \"\"\"\n",
        plain(name),
        plain(about),
        description.classes.len(),
        input_in_words(description),
    )
}
