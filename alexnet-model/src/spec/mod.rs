//! A network as data: a list of layers with their constants, read from TOML.

pub(crate) mod error;
mod named_layers;
pub(crate) mod patch;
mod presets;
pub(crate) mod shapes;
pub(crate) mod split;
pub(crate) mod suggest;
pub(crate) mod toml_text;

use alexnet_kernels::Activation;
use serde::{Deserialize, Serialize};

use self::error::SpecError;
use self::suggest::explain;
use self::toml_text::to_toml;

/// A network: what goes in and the layers, first to last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// What people call it: `original`, `paper`, … or the name of a file of their own.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub about: String,
    /// Where its constants come from.
    #[serde(default)]
    pub source: String,
    /// Channels, height and width of one image as the first layer sees it.
    pub input: [usize; 3],
    /// The side in pixels of the stored images it is made for, of which its input is a crop; a
    /// dataset of that size is trained with it where no network is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<usize>,
    /// Over how many devices the network can be split; 1 when it cannot.
    #[serde(default = "one")]
    pub towers: usize,
    /// The layers in order; each sees the output of the one before.
    pub layers: Vec<LayerSpec>,
}

/// One layer: its name and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// Unique in the network; its parameters are `NAME.weight` and `NAME.bias`.
    pub name: String,
    /// What it computes.
    #[serde(flatten)]
    pub kind: LayerKind,
}

/// What a layer computes, with the constants as the presets write them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerKind {
    /// Convolution with bias over a map.
    Conv {
        /// Output channels.
        filters: usize,
        /// Height and width of a filter, in pixels.
        kernel: usize,
        /// Step between windows, in pixels.
        #[serde(default = "one")]
        stride: usize,
        /// Zero padding in pixels: top, bottom, left, right.
        #[serde(default)]
        pad: [usize; 4],
        /// Channel blocks that do not see each other.
        #[serde(default = "one")]
        groups: usize,
        /// Where its parameters start.
        init: Init,
    },
    /// Convolution with bias whose weights are not shared: every place has filters of its own.
    Local {
        /// Output channels.
        filters: usize,
        /// Height and width of a filter, in pixels.
        kernel: usize,
        /// Step between windows, in pixels.
        #[serde(default = "one")]
        stride: usize,
        /// Zero padding of every side, in pixels.
        #[serde(default)]
        pad: usize,
        /// Where its parameters start.
        init: Init,
    },
    /// Dense layer with bias over everything that comes in.
    Linear {
        /// Outputs.
        outputs: usize,
        /// Where its parameters start.
        init: Init,
    },
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// Local response normalization across channels.
    Lrn {
        /// Window, in channels.
        n: usize,
        /// Weight of the window's squares.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Offset.
        k: f32,
        /// Channel blocks whose edges stop a window.
        #[serde(default = "one")]
        towers: usize,
        /// Whether alpha weighs the mean of the squares (the authors' code) or their sum (their
        /// text).
        #[serde(default = "yes")]
        alpha_over_n: bool,
    },
    /// Response normalization within a map: the layer the paper does not mention.
    MapNorm {
        /// Window, in pixels each way.
        n: usize,
        /// Weight of the window's mean square.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Offset.
        k: f32,
    },
    /// Max pooling; windows overlap where `kernel > stride`.
    MaxPool {
        /// Height and width of a window, in pixels.
        kernel: usize,
        /// Step between windows, in pixels.
        stride: usize,
        /// Whether a last window may hang over the edge.
        #[serde(default)]
        ceil: bool,
    },
    /// Average pooling; a window over the edge is divided by the pixels that it has.
    AvgPool {
        /// Height and width of a window, in pixels.
        kernel: usize,
        /// Step between windows, in pixels.
        stride: usize,
        /// Whether a last window may hang over the edge.
        #[serde(default)]
        ceil: bool,
    },
    /// Dropout in training.
    Dropout {
        /// Probability of keeping an element.
        keep: f32,
        /// Which side is scaled to make up for the dropped ones.
        scale: Scale,
    },
}

/// Where a layer's parameters start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Init {
    /// Weights from a zero-mean normal distribution, biases all equal.
    Normal {
        /// Standard deviation of the weights.
        std: f32,
        /// Every bias.
        bias: f32,
    },
    /// A named rule.
    Rule(Rule),
}

/// A named rule of initialisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Weights and biases uniform in ±1/√(inputs of one output): PyTorch's default.
    FanIn,
}

/// Which side of dropout is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Outputs are multiplied by `keep` at test: the paper.
    AtTest,
    /// Outputs are divided by `keep` in training: Caffe, PyTorch.
    AtTraining,
}

impl LayerKind {
    /// The word the presets use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Local { .. } => "local",
            Self::Linear { .. } => "linear",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Lrn { .. } => "lrn",
            Self::MapNorm { .. } => "map-norm",
            Self::MaxPool { .. } => "max-pool",
            Self::AvgPool { .. } => "avg-pool",
            Self::Dropout { .. } => "dropout",
        }
    }

    /// Whether it has weights and biases.
    pub fn has_parameters(&self) -> bool {
        matches!(self, Self::Conv { .. } | Self::Local { .. } | Self::Linear { .. })
    }

    /// The function of each element alone that it is; `None` when it is another layer.
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Self::Relu => Some(Activation::Relu),
            Self::Tanh => Some(Activation::Tanh),
            _ => None,
        }
    }
}

impl NetworkSpec {
    /// Reads a network from TOML; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// [`SpecError::Syntax`] for what is not TOML or has unknown keys; [`SpecError::Layer`] for the
    /// first layer that cannot be, and why.
    ///
    /// # Example
    ///
    /// ```
    /// # use alexnet_model::NetworkSpec;
    /// let toml = r#"
    ///     name = "softmax-regression"
    ///     input = [3, 8, 8]
    ///     layers = [{ name = "fc1", kind = "linear", outputs = 10, init = "fan-in" }]"#;
    /// assert_eq!(NetworkSpec::from_toml("mine.toml", toml)?.classes(), Some(10));
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn from_toml(origin: &str, text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|e| SpecError::Syntax {
            origin: origin.to_owned(),
            message: explain(&e.to_string()),
        })?;
        spec.shapes()?;
        Ok(spec)
    }

    /// The network as TOML, which [`from_toml`](Self::from_toml) reads back to the same.
    ///
    /// # Errors
    ///
    /// [`SpecError::Syntax`] for numbers TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, SpecError> {
        to_toml(self).map_err(|message| SpecError::Syntax { origin: self.name.clone(), message })
    }

    /// The number of classes the last layer tells apart; `None` when it is not dense.
    pub fn classes(&self) -> Option<usize> {
        match self.layers.last()?.kind {
            LayerKind::Linear { outputs, .. } => Some(outputs),
            _ => None,
        }
    }

    /// The same network with a last layer of `classes` outputs.
    pub fn with_classes(mut self, classes: usize) -> Self {
        if let Some(LayerSpec { kind: LayerKind::Linear { outputs, .. }, .. }) =
            self.layers.last_mut()
        {
            *outputs = classes;
        }
        self
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}
