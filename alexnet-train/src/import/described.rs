//! What weights are good for: as their family says, or as the file itself does.

use std::path::Path;

use alexnet_data::{Exif, Preprocessing, imagenet_classes};

use super::family::{ClassOrder, Family};
use super::file::SourceFile;
use super::matching::{Matched, find_described};
use super::mean::{mean_file, read_mean};
use super::problem::{Problem, Result, quoted};
use super::source::Source;
use super::values;
use crate::checkpoint::MEAN_IMAGE;
use crate::checkpoint::description::Description;
use crate::error::Error;
use crate::recipe::{Mean, Recipe};

/// The bytes of the largest file of names of classes.
const CLASSES_BYTES: usize = 16 << 20;

/// All that is known of weights before they are read.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Their family, where the file does not describe them.
    pub(crate) family: Option<Family>,
    /// What they are good for.
    pub(crate) description: Description,
    /// Where they are in the file.
    pub(crate) matched: Matched,
    /// (H, W, 3), red first, of pixels of 0 to 255.
    pub(crate) mean_image: Vec<f32>,
    /// What was assumed.
    pub(crate) notes: Vec<String>,
}

/// Weights that an export of this program described.
pub(crate) fn described(file: &mut SourceFile, source: &Source, text: &str) -> Result<Settled> {
    let (description, mean) = Description::from_text(text).map_err(|reason| {
        Problem::new(format!("what it says of its weights is wrong: {reason}"))
    })?;
    let matched = find_described(source, &description.network)?;
    let Preprocessing { height, width, .. } = description.preprocessing;
    let mean_image = match (mean, source.tensors.iter().find(|t| t.name == MEAN_IMAGE)) {
        (Some(mean), _) => mean,
        (None, Some(tensor)) if tensor.shape == [height, width, 3] => values::read(file, tensor)?,
        (None, tensor) => {
            let got = tensor.map_or("none".to_owned(), |tensor| format!("{:?}", tensor.shape));
            let problem = Problem::new(format!("it lacks its mean image, `{MEAN_IMAGE}`"));
            return Err(problem.expected(format!("[{height}, {width}, 3]"), got));
        }
    };
    Ok(Settled { family: None, description, matched, mean_image, notes: Vec::new() })
}

/// Weights of a family, in the file `path`; the mean image is that of the file `mean`, or of one
/// beside the weights with its usual name.
pub(crate) fn of_family(
    family: &Family,
    matched: Matched,
    path: &Path,
    mean: Option<&Path>,
) -> Result<Settled, Error> {
    let (input, stored) = (&family.input, family.preprocessing.stored);
    let [_, h, w] = matched.network.input;
    if h.max(w) > stored {
        let problem = Problem::new("its network takes larger images than those of its family");
        let problem = problem.expected(format!("at most {stored} pixels"), format!("{h} × {w}"));
        return Err(problem.at(path));
    }
    let mut recipe = Recipe::preset(&family.preset, &[])?;
    let mut notes = Vec::new();
    let color = input.mean_color();
    let mean_image = match mean_file(family, path, mean)? {
        Some(file) => {
            notes.push(format!("mean image: {}", file.display()));
            recipe.input.mean = Mean::Aligned;
            read_mean(&file, input, stored).map_err(|problem| problem.at(&file))?
        }
        None => {
            if let Some(name) = input.mean_files.first() {
                let order = format!("{:?}", input.colors).to_uppercase();
                notes.push(format!(
                    "no {name} beside it: the published channel means {:?} ({order}) stand for \
                     the mean image; give that with --mean",
                    input.mean
                ));
            }
            recipe.input.mean = Mean::Channel;
            color.repeat(stored * stored)
        }
    };
    recipe.input.scale = input.scale();
    let (resample, crop) = (family.preprocessing.resample, family.preprocessing.crop);
    let preprocessing =
        Preprocessing { height: stored, width: stored, resample, crop, exif: Exif::Ignore };
    let count = matched.network.classes().unwrap_or(0);
    let classes = match family.classes {
        ClassOrder::Imagenet if count == imagenet_classes().len() => {
            imagenet_classes().iter().map(|class| class.name.clone()).collect()
        }
        ClassOrder::Imagenet => {
            notes.push(format!(
                "its {count} classes are not ImageNet's and have numbers for names; give them with \
                 --classes"
            ));
            (0..count).map(|class| class.to_string()).collect()
        }
    };
    let network = matched.network.clone();
    let description = Description { network, recipe, classes, preprocessing };
    Ok(Settled { family: Some(family.clone()), description, matched, mean_image, notes })
}

/// The names of `count` classes in a file, one a line.
pub(crate) fn classes_of(path: &Path, count: usize) -> Result<Vec<String>, Error> {
    let read = || {
        let mut file = SourceFile::open(path)?;
        let text = file.bytes(0..file.length(), CLASSES_BYTES)?;
        let text = String::from_utf8(text).map_err(|_| Problem::new("it is no UTF-8 text"))?;
        let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        if names.len() != count {
            let problem = Problem::new("its lines do not fit the outputs of the weights");
            let problem = problem.expected(format!("{count} names of classes"), names.len());
            return Err(problem.advice("give a file with the name of each class in a line"));
        }
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some(pair) = twice {
            let problem = Problem::new(format!("two classes are called {}", quoted(pair[0])));
            return Err(problem.advice("give each class a name of its own"));
        }
        Ok(names)
    };
    read().map_err(|problem| problem.at(path))
}
