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

#[cfg(test)]
mod tests {
    use alexnet_data::{Crop, Exif, Preprocessing, Resample};

    use super::*;
    use crate::recipe::Recipe;

    const FORWARD: &str = "
    def forward(self, x):  # (N, 3, 224, 224)
        x = self.conv1(F.pad(x, (0, 3, 0, 3)))
        x = lrn(x, 5, 0.0001, 0.75, 2.0, towers=2)
        x = F.relu(F.max_pool2d(x, 3, 2, ceil_mode=True))
        x = F.relu(self.conv2(x))
        x = lrn(x, 5, 0.0001, 0.75, 2.0, towers=2)
        x = map_norm(x, 5, 0.001, 0.75, 1.0)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = self.conv5(x)
        x = F.relu(F.max_pool2d(x, 3, 2, ceil_mode=True))
        x = F.relu(self.fc6(x.flatten(1)))
        x = F.dropout(x, 1 - 0.5, self.training) * 0.5
        x = F.relu(self.fc7(x))
        x = F.dropout(x, 1 - 0.5, self.training) * 0.5
        x = self.fc8(x)
        return x
";

    /// The two towers of `original` in plain PyTorch.
    #[test]
    fn the_module_of_the_original() {
        let network = NetworkSpec::preset("original").unwrap();
        let (resample, crop, exif) = (Resample::Area, Crop::Centre, Exif::Ignore);
        let description = Description {
            recipe: Recipe::preset("original", &[]).unwrap(),
            classes: (0..1000).map(|class| class.to_string()).collect(),
            network,
            preprocessing: Preprocessing { height: 256, width: 256, resample, crop, exif },
        };
        let text = text(&description, "w\"\n.pth").unwrap();
        assert!(text.ends_with(FORWARD), "{text}");
        assert!(text.contains("        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)\n"));
        assert!(text.contains("torch.load(\"w' .pth\", weights_only=True)"), "{text}");
        let code = text.lines().skip_while(|line| *line != "import torch");
        let code = code.filter(|line| !line.trim().is_empty()).count();
        assert!(is_ours(text.as_bytes()) && code < 50, "{code} lines of code");
    }
}
