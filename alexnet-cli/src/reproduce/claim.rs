//! What the paper claims, as data: each claim is a file of `claims/`.

use alexnet_train::{Arm, RecipePatch};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::ablate;
use crate::comparison::arguments::RunsArguments;
use crate::preset;

static CLAIMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/claims");

/// The claims in the order of the paper.
const NAMES: [&str; 15] = [
    "table-1",
    "table-2",
    "relu",
    "towers",
    "lrn",
    "cifar-lrn",
    "overlap",
    "crops",
    "color",
    "dropout",
    "decay",
    "bias",
    "figures",
    "pre-training",
    "depth",
];

/// Something that the paper claims, and how it is tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    #[serde(skip)]
    pub(super) name: &'static str,
    /// Where the paper says it.
    pub(super) section: String,
    /// What it says.
    pub(super) claim: String,
    /// In figures.
    pub(super) published: Vec<String>,
    /// The authors' runs behind these, with their logged errors.
    pub(super) run: String,
    /// What is measured.
    pub(super) measure: Measure,
    full: Option<Trial>,
    small: Option<Trial>,
    demo: Option<Trial>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Measure {
    /// The error rates of the arms.
    Errors,
    /// The error rates of all runs together.
    Ensemble,
    /// The epochs until a quarter of the training images is wrong.
    #[serde(rename = "epochs-to-25-percent")]
    Epochs,
    /// Nothing: figures are drawn.
    Figures,
    /// The error rates of training that begins with the layers of another.
    PreTraining,
}

/// How large the networks and datasets are with which a claim is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scale {
    /// The demo network on drawn images: minutes
    Demo,
    /// A small network on some thousand photographs: hours
    Small,
    /// The network of 2012 on the paper's dataset: days on a GPU
    Full,
}

/// How a claim is tried at one scale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// The dataset, in words; the demo dataset where it is left out.
    #[serde(default)]
    pub(super) data: Option<String>,
    /// Presets that are compared, each with its recipe.
    #[serde(default)]
    presets: Vec<String>,
    /// A preset that is compared with what it is without these factors.
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    vary: Vec<String>,
    /// Factors of all rates, of which each arm comes with each.
    #[serde(default)]
    rates: Vec<f64>,
    #[serde(default = "one")]
    pub(super) seeds: u64,
    #[serde(default)]
    epochs: Option<usize>,
    #[serde(default = "val")]
    pub(super) split: String,
    #[serde(default = "ten")]
    pub(super) views: Vec<String>,
}

impl Claim {
    /// All claims, in the order of the paper.
    pub(super) fn all() -> Result<Vec<Self>> {
        NAMES.into_iter().map(Self::read).collect()
    }

    /// The claim of that name.
    pub(super) fn find(name: &str) -> Result<Self> {
        match NAMES.into_iter().find(|known| *known == name) {
            Some(name) => Self::read(name),
            None => {
                let near = alexnet_model::nearest(name, NAMES);
                let hint = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
                bail!("no claim is called `{name}`{hint}; the claims are {}", NAMES.join(", "))
            }
        }
    }

    fn read(name: &'static str) -> Result<Self> {
        let file = CLAIMS.get_file(format!("{name}.toml")).and_then(|file| file.contents_utf8());
        let text = file.with_context(|| format!("claims/{name}.toml is missing"))?;
        let claim = toml::from_str(text).with_context(|| format!("claims/{name}.toml"))?;
        Ok(Self { name, ..claim })
    }

    /// How it is tried at a scale.
    pub(super) fn trial(&self, scale: Scale) -> Result<&Trial> {
        let trial = match scale {
            Scale::Demo => &self.demo,
            Scale::Small => &self.small,
            Scale::Full => &self.full,
        };
        trial.as_ref().with_context(|| {
            let others: Vec<&str> = self.scales().map(Scale::word).collect();
            let others = others.join(" and ");
            format!("`{}` cannot be tried at --scale {}, only at {others}", self.name, scale.word())
        })
    }

    /// The scales at which it can be tried.
    pub(super) fn scales(&self) -> impl Iterator<Item = Scale> {
        let all =
            [(Scale::Demo, &self.demo), (Scale::Small, &self.small), (Scale::Full, &self.full)];
        all.into_iter().filter(|(_, trial)| trial.is_some()).map(|(scale, _)| scale)
    }
}

impl Scale {
    /// The word of `--scale`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Small => "small",
            Self::Full => "full",
        }
    }
}

impl Trial {
    /// The networks and recipes that are compared.
    pub(super) fn arms(&self, runs: &RunsArguments) -> Result<Vec<Arm>> {
        let of_preset = |name: &String| -> Result<Arm> {
            let recipe = preset::recipe(name, None, &runs.set)?;
            let about = recipe.about.clone();
            let recipe = runs.scaled(recipe, self.epochs);
            let network = preset::network(name, None)?;
            Ok(Arm { name: name.clone(), about, ..Arm::base(network, recipe) })
        };
        let mut arms = self.presets.iter().map(of_preset).collect::<Result<Vec<_>>>()?;
        if let Some(name) = &self.base {
            let arm = of_preset(name)?;
            arms = ablate::arms(Arm::base(arm.network, arm.recipe), &self.vary, &|_| ())?;
        }
        if self.rates.is_empty() {
            return Ok(arms);
        }
        let at = |arm: &Arm, factor: f64| -> Result<Arm> {
            if factor == 1.0 {
                return Ok(arm.clone());
            }
            let rates = RecipePatch { rates: Some(factor), ..RecipePatch::default() };
            let (name, about) = (&arm.name, &arm.about);
            let name = format!("{name}-rates-{factor}");
            Ok(arm.changed(&name, &format!("{about}, rates times {factor}"), &[], &rates)?)
        };
        arms.iter().flat_map(|arm| self.rates.iter().map(move |f| at(arm, *f))).collect()
    }

    /// The words of this command that name the dataset.
    pub(super) fn data_word(&self) -> &str {
        match &self.data {
            Some(_) => " --data DIR",
            None => "",
        }
    }
}

fn one() -> u64 {
    1
}

fn val() -> String {
    "val".to_owned()
}

fn ten() -> Vec<String> {
    vec!["10".to_owned()]
}
