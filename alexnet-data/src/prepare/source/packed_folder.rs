//! A folder for each class, inside one archive: what [`folder`](super::folder) is outside of one.

use super::archive::Archive;
use super::files::ImageFiles;
use super::folder_layout::check_classes;
use super::listing::{Candidate, Scan};
use super::names::{is_image, text_of};
use super::packed::{PackedFile, PackedTree};
use super::split_folders::split_folders;
use crate::error::{Error, Result, few};
use crate::manifest::Class;
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

/// Whether the input is an archive with images in folders, and is not made of WebDataset's samples.
pub(super) fn recognise(candidate: &Candidate) -> bool {
    let names = &candidate.packed;
    let in_folders = names.iter().any(|name| name.contains('/') && is_image(Path::new(name)));
    let is_tar = candidate.single.as_ref().is_some_and(|name| name.ends_with(".tar"));
    in_folders && !(is_tar && has_samples(names))
}

/// Whether an image and another file have the same name but for what follows its first dot.
fn has_samples(names: &[String]) -> bool {
    let key = |name: &str| {
        let start = name.rfind('/').map_or(0, |slash| slash + 1);
        let end = name[start..].find('.').map_or(name.len(), |dot| start + dot);
        name[..end].to_owned()
    };
    let (images, others): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| is_image(Path::new(name)));
    let keys: HashSet<_> = images.into_iter().map(|name| key(name)).collect();
    others.into_iter().any(|name| keys.contains(&key(name)))
}

/// Images by their class folders.
type Classes = BTreeMap<String, Vec<PackedFile>>;

/// Lists the class folders of the archive `input`. Where it holds the folder `train`, this and its
/// folders `val` and `test` are the splits; otherwise all is train, and `val` may be another
/// archive.
pub(super) fn list(input: &Path, val: Option<&Path>, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let mut tree = PackedTree::open(input, scan)?;
    let said = tree.summary();
    let (archive, mut val_archive) = (tree.archive.clone(), tree.archive.clone());
    let mut splits = split_files(&mut tree, scan)?;
    if let Some(val) = val {
        if splits.is_some() {
            let problem = "holds splits of its own: give it without another val archive";
            return Err(Error::source(input, problem));
        }
        let val = PackedTree::open(val, scan)?;
        val_archive = val.archive;
        splits = Some([std::mem::take(&mut tree.files), val.files, Vec::new()]);
    }
    let [train, val_files, test] = splits.unwrap_or_else(|| [tree.files, Vec::new(), Vec::new()]);
    let train = class_files(Stage::Train, train, &archive, scan)?;
    if train.is_empty() {
        let expected = "expected images in a folder for each class";
        return Err(Error::source(input, format!("{said}; {expected}")));
    }
    let val_files = class_files(Stage::Val, val_files, &val_archive, scan)?;
    let mut test = class_files(Stage::Test, test, &archive, scan)?;
    if !test.is_empty() && !test.keys().any(|name| train.contains_key(name)) {
        let images: usize = test.values().map(Vec::len).sum();
        let reason =
            format!("{images} images without the class folders of train, so without labels");
        scan.note("", "test", Action::Unused, &reason);
        test.clear();
    }
    let names: Vec<String> = train.keys().cloned().collect();
    for (stage, files) in [(Stage::Val, &val_files), (Stage::Test, &test)] {
        let unknown = files.keys().filter(|name| !train.contains_key(*name));
        let unknown: Vec<_> = unknown.cloned().collect();
        if !unknown.is_empty() {
            let (n, of, split) = (unknown.len(), names.len(), stage.split());
            let problem = format!(
                "{n} class folders of {split} are not among the {of} of train: {}; remove them, \
                 or add them to train",
                few(&unknown)
            );
            return Err(Error::source(val.unwrap_or(input), problem));
        }
    }
    let train = labelled(&names, train);
    let paths: Vec<_> = train.iter().map(|(label, f)| (*label, f.path().into())).collect();
    check_classes(input, &paths)?;
    add(Stage::Train, archive.clone(), train, scan)?;
    for (stage, archive, files) in
        [(Stage::Val, val_archive, val_files), (Stage::Test, archive, test)]
    {
        if !files.is_empty() {
            add(stage, archive, labelled(&names, files), scan)?;
        }
    }
    Ok(names.into_iter().map(Class::named).collect())
}

/// The files of train, val and test by their paths below these folders; `None` where the folders of
/// the archive are classes. What lies outside of the splits is reported.
fn split_files(tree: &mut PackedTree, scan: &mut Scan<'_>) -> Result<Option<[Vec<PackedFile>; 3]>> {
    let folders = tree.files.iter().filter_map(|file| file.path().split_once('/'));
    let folders: BTreeSet<OsString> = folders.map(|(folder, _)| folder.into()).collect();
    let folders: Vec<_> = folders.into_iter().collect();
    let found = split_folders(&tree.path, &folders, &|name| Ok(classes_in(tree, name)))?;
    if found.is_empty() {
        return Ok(None);
    }
    let named = |stage| found.iter().filter(move |split| split.1 == stage).map(|split| &split.0);
    for stage in [Stage::Train, Stage::Val, Stage::Test] {
        let names: Vec<_> = named(stage).map(text_of).collect();
        let split = stage.split();
        let problem = match names.len() {
            0 if stage == Stage::Train => {
                let others: Vec<_> = found.iter().map(|(name, _)| text_of(name)).collect();
                format!("holds the splits {}, but no `train` to train on", few(&others))
            }
            0 | 1 => continue,
            _ => format!("holds {}, which are all names of the {split} split", few(&names)),
        };
        return Err(Error::source(&tree.path, problem));
    }
    let (mut splits, mut left_out) = ([const { Vec::new() }; 3], BTreeMap::<String, u64>::new());
    for mut file in std::mem::take(&mut tree.files) {
        let (folder, below) = file.path().split_once('/').unwrap_or(("", file.path()));
        let (folder, below) = (folder.to_owned(), below.into());
        match found.iter().find(|split| split.0 == *folder).map(|split| split.1) {
            Some(stage) => {
                file.rename(below);
                let split = match stage {
                    Stage::Val => 1,
                    Stage::Test => 2,
                    _ => 0,
                };
                splits[split].push(file);
            }
            None if !file.looks_like_image(&tree.archive)? => (),
            None if folder.is_empty() => {
                let reason = "it lies beside the folders of the splits";
                scan.note("", file.path(), Action::Skipped, reason);
            }
            None => *left_out.entry(folder).or_default() += 1,
        }
    }
    for (folder, images) in left_out {
        let reason = format!("{images} images in a folder that is no split");
        scan.note("", &folder, Action::Unused, &reason);
    }
    Ok(Some(splits))
}

/// The class folders in a folder of the archive; none where it holds images itself.
fn classes_in(tree: &PackedTree, name: &OsStr) -> BTreeSet<OsString> {
    let name = name.to_string_lossy();
    let in_folder = |path: &'_ str| -> Option<String> {
        Some(path.strip_prefix(&*name)?.strip_prefix('/')?.to_owned())
    };
    let mut classes = BTreeSet::new();
    for path in tree.files.iter().filter_map(|file| in_folder(file.path())) {
        match path.split_once('/') {
            Some((class, _)) => _ = classes.insert(class.into()),
            None if is_image(Path::new(&path)) => return BTreeSet::new(),
            None => (),
        }
    }
    classes
}

/// The images of a split by their class folders; what is not taken is reported.
fn class_files(
    stage: Stage,
    files: Vec<PackedFile>,
    archive: &Arc<Archive>,
    scan: &mut Scan<'_>,
) -> Result<Classes> {
    let mut classes = Classes::new();
    for file in files {
        let path = file.path();
        let reason = match path.split_once('/') {
            _ if !file.looks_like_image(archive)? => {
                scan.ignored += 1;
                continue;
            }
            None => "it lies in no class folder",
            Some(_) if path.split('/').any(|name| name.starts_with('.')) => {
                "hidden: a name in its path starts with a dot"
            }
            Some((class, _)) => {
                classes.entry(class.to_owned()).or_default().push(file);
                continue;
            }
        };
        scan.note(stage.split(), path, Action::Skipped, reason);
    }
    Ok(classes)
}

/// The files of all classes with the places of their classes in `names`, which are sorted.
fn labelled(names: &[String], classes: Classes) -> Vec<(u32, PackedFile)> {
    let mut files = Vec::new();
    for (name, images) in classes {
        let label = names.binary_search(&name).unwrap_or(0) as u32;
        files.extend(images.into_iter().map(|image| (label, image)));
    }
    files
}

/// Adds a split, in the order that its files have when they are unpacked.
pub(super) fn add(
    stage: Stage,
    archive: Arc<Archive>,
    mut files: Vec<(u32, PackedFile)>,
    scan: &mut Scan<'_>,
) -> Result<()> {
    files.sort_by(|(a, first), (b, second)| {
        a.cmp(b).then_with(|| first.path().split('/').cmp(second.path().split('/')))
    });
    refuse_twice(stage, &archive, &files)?;
    scan.add(stage, ImageFiles { storage: archive, files });
    Ok(())
}

/// Refuses an archive that holds one path twice; `files` are sorted.
pub(super) fn refuse_twice(
    stage: Stage,
    archive: &Archive,
    files: &[(u32, PackedFile)],
) -> Result<()> {
    match files.windows(2).find(|w| w[0].1.path() == w[1].1.path()) {
        None => Ok(()),
        Some(twice) => {
            let problem = format!("holds {} of {} twice", twice[0].1.path(), stage.split());
            Err(Error::source(&archive.path, problem))
        }
    }
}
