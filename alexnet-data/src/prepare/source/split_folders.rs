//! Which of the outermost folders of an input are splits, on disk and in archives alike.

use super::names::text_of;
use super::split_names::{split_of_word, splits_in};
use crate::error::{Error, Result, few};
use crate::progress::Stage;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A folder of the input, with the split that its name says.
pub(super) type SplitFolder = (OsString, Stage);

/// The class folders in a folder of the input; none where it is no tree of classes.
type ClassesIn<'a> = &'a dyn Fn(&OsStr) -> Result<BTreeSet<OsString>>;

/// Those of the `folders` of `input` that are splits; none where they are classes.
///
/// Three kinds of input have splits: one with a tree of classes whose whole name is `train`,
/// whatever lies beside it; one whose folders all have a word for a split in their names, as
/// `images_train` and `images_val`, but not `bullet_train` beside `toy_train`, which are classes;
/// and one in which folders with such words hold trees of the same classes.
pub(super) fn split_folders(
    input: &Path,
    folders: &[OsString],
    classes_in: ClassesIn<'_>,
) -> Result<Vec<SplitFolder>> {
    let (mut exact, mut named): (Vec<SplitFolder>, Vec<SplitFolder>) = (Vec::new(), Vec::new());
    for name in folders {
        let text = name.to_string_lossy();
        exact.extend(split_of_word(&text).map(|stage| (name.clone(), stage)));
        if let [stage] = splits_in(&text)[..] {
            named.push((name.clone(), stage));
        }
    }
    let has = |stage| exact.iter().any(|split| split.1 == stage);
    let mut is_split = has(Stage::Train) && has(Stage::Val);
    for (name, _) in exact.iter().filter(|split| split.1 == Stage::Train) {
        is_split |= !classes_in(name)?.is_empty();
    }
    if is_split {
        return Ok(exact);
    }
    let different: BTreeSet<_> = named.iter().map(|(_, stage)| stage.split()).collect();
    let all = named.len() == folders.len();
    let each_once = different.len() == named.len() || exact.len() == named.len();
    let same_classes = || trees_of_same_classes(input, folders, &named, classes_in);
    let is_split = all && each_once || different.len() > 1 && same_classes()?;
    Ok(if is_split { named } else { Vec::new() })
}

/// Whether the folders `named` like splits, and they alone, hold trees with a class in common; an
/// error where other folders have that class too, so that they may be classes with parts.
fn trees_of_same_classes(
    input: &Path,
    folders: &[OsString],
    named: &[SplitFolder],
    classes_in: ClassesIn<'_>,
) -> Result<bool> {
    let mut common: Option<BTreeSet<OsString>> = None;
    for (name, _) in named {
        let classes = classes_in(name)?;
        common = Some(common.map_or(classes.clone(), |common| &common & &classes));
    }
    let Some(class) = common.and_then(|common| common.into_iter().next()) else {
        return Ok(false);
    };
    for other in folders.iter().filter(|name| named.iter().all(|split| split.0 != **name)) {
        if classes_in(other)?.contains(&class) {
            let names: Vec<_> = named.iter().map(|(name, _)| text_of(name)).collect();
            let problem = format!(
                "holds folders with names of splits ({}), and each of them, like `{}`, holds a \
                 folder `{}`: if they are splits, give the train tree itself as input, and the \
                 val tree as val; if they are classes, give them other names",
                few(&names),
                text_of(other),
                text_of(&class)
            );
            return Err(Error::source(input, problem));
        }
    }
    Ok(true)
}
