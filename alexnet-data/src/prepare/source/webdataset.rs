//! WebDataset: tars of samples, each an image and a label in files of the same name.

use super::archive::Archive;
use super::files::ImageFiles;
use super::listing::{Format, Scan};
use super::names::{IMAGE_EXTENSIONS, file_name, named_classes, names_in};
use super::tar::{Member, members};
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: Format = Format {
    name: "webdataset",
    default_size: 256,
    recognise: |candidate| {
        let names = candidate.single.iter().chain(&candidate.files);
        let train = names_in(&candidate.path.join("train")).unwrap_or_default();
        let train: Vec<_> = train.iter().map(|name| name.to_string_lossy().into()).collect();
        names.chain(&train).any(|name| name.ends_with(".tar"))
    },
    list: |input, _, scan| list(input, scan),
};

/// Labels are below this number, because the manifest has a class for each.
const MAX_LABEL: u32 = 1 << 20;
/// The file with the names of the classes, one a line; without it, they are the labels.
const NAMES: &str = "classnames.txt";

/// The image and the label of a sample, where they have been found.
type Sample = (Option<Member>, Option<Member>);

fn list(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let (train, val) = tars(input)?;
    if train.is_empty() {
        let problem = "holds no .tar, in it or in a folder `train`, that is not validation";
        return Err(Error::source(input, problem));
    }
    let train = images(Stage::Train, &train, scan)?;
    let highest = |images: &ImageFiles<Member>| images.files.iter().map(|file| file.0).max();
    let Some(mut last) = highest(&train) else {
        let problem = "holds no sample with an image (jpg, png) and a label (cls)";
        return Err(Error::source(input, problem));
    };
    scan.add(Stage::Train, train);
    if !val.is_empty() {
        let val = images(Stage::Val, &val, scan)?;
        last = last.max(highest(&val).unwrap_or(0));
        scan.add(Stage::Val, val);
    }
    let (names, count) = (input.join(NAMES), last as usize + 1);
    match names.is_file() {
        true => named_classes(&names, count..=usize::MAX),
        false => Ok((0..count).map(|label| Class::named(label.to_string())).collect()),
    }
}

/// The tars of train and of val: in folders of these names, or with `val` in their names.
fn tars(input: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    if input.is_file() {
        return Ok((vec![input.into()], Vec::new()));
    }
    let of = |dir: &Path| {
        let paths = names_in(dir)?.into_iter().map(|name| dir.join(name));
        let is_tar = |path: &PathBuf| path.extension().is_some_and(|e| e == "tar");
        let mut tars: Vec<_> = paths.filter(|path| is_tar(path) && path.is_file()).collect();
        tars.sort();
        Ok::<_, Error>(tars)
    };
    let (train, val) = (input.join("train"), input.join("val"));
    if train.is_dir() {
        return Ok((of(&train)?, if val.is_dir() { of(&val)? } else { Vec::new() }));
    }
    let is_val = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().contains("val"));
    Ok(of(input)?.into_iter().partition(|p| !is_val(p)))
}

/// The images of a split.
fn images(stage: Stage, tars: &[PathBuf], scan: &mut Scan<'_>) -> Result<ImageFiles<Member>> {
    let mut images = ImageFiles { storage: Vec::new(), files: Vec::new() };
    for (number, path) in tars.iter().enumerate() {
        let (archive, before) = (Archive::open(path)?, images.files.len());
        let tar = path.file_name().unwrap_or_default().to_string_lossy();
        for (key, sample) in samples(&archive, scan)? {
            let problem = match sample {
                (Some(image), Some(label)) => match read_label(&archive, &label) {
                    Some(label) => {
                        let name = format!("{tar}/{}", image.name).into();
                        images.files.push((label, Member { name, archive: number, ..image }));
                        continue;
                    }
                    None => "its .cls is no number below 1048576",
                },
                (None, _) => "a label without an image",
                (_, None) => "an image without a label",
            };
            scan.note(stage.split(), &format!("{tar}/{key}"), Action::Skipped, problem);
        }
        images.storage.push(archive);
        scan.found(images.files.len() - before);
    }
    Ok(images)
}

/// The samples of a tar, in the order of their keys.
fn samples(archive: &Archive, scan: &mut Scan<'_>) -> Result<BTreeMap<String, Sample>> {
    let mut samples: BTreeMap<String, Sample> = BTreeMap::new();
    for member in members(archive, 0, archive.length)? {
        let name = file_name(&member.name);
        // The key ends at the first dot of the name.
        let Some((stem, kind)) = name.split_once('.') else {
            scan.ignored += 1;
            continue;
        };
        let folder = &member.name[..member.name.len() - name.len()];
        let (key, kind) = (format!("{folder}{stem}"), kind.to_ascii_lowercase());
        if IMAGE_EXTENSIONS.contains(&kind.as_str()) {
            samples.entry(key).or_default().0 = Some(member);
        } else if kind == "cls" {
            samples.entry(key).or_default().1 = Some(member);
        } else {
            scan.ignored += 1;
        }
    }
    Ok(samples)
}

fn read_label(archive: &Archive, member: &Member) -> Option<u32> {
    let mut text = vec![0; usize::try_from(member.length).ok().filter(|&n| n <= 32)?];
    archive.read_at(&mut text, member.offset).ok()?;
    let label = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
    (label < MAX_LABEL).then_some(label)
}
