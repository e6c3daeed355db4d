//! WebDataset: tars of samples, each an image and a label in files of the same name.

use super::archive::{Archive, Archives};
use super::files::ImageFiles;
use super::listing::{Format, Scan};
use super::names::{is_image, names_in};
use super::packed_folder;
use super::split_names::splits_in;
use super::tar::Member;
use super::webdataset_labels::Texts;
use super::webdataset_samples::samples;
use super::webdataset_shards::{is_tar, shards};
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::{Action, Faults};
use crate::progress::Stage;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: Format = Format {
    name: "webdataset",
    default_size: 256,
    recognise: |candidate| {
        if let Some(name) = &candidate.single {
            let has_images = candidate.packed.iter().any(|name| is_image(Path::new(name)));
            return is_tar(name.as_ref()) && has_images && !packed_folder::recognise(candidate);
        }
        let mut folders = candidate.folders.iter().filter(|name| !splits_in(name).is_empty());
        let has_tar = |folder: &String| {
            let names = names_in(&candidate.path.join(folder)).unwrap_or_default();
            names.iter().any(|name| is_tar(name))
        };
        candidate.files.iter().any(|name| is_tar(name.as_ref())) || folders.any(has_tar)
    },
    list: |input, _, scan| list(input, scan),
};

/// The samples of a split; the number of each is the place of its label among the different ones.
struct SplitSamples {
    stage: Stage,
    archives: Archives,
    images: Vec<(usize, Member)>,
}

fn list(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let shards = shards(input, scan)?;
    let (mut splits, mut texts, mut train_texts) = (Vec::new(), Texts::default(), 0);
    for stage in [Stage::Train, Stage::Val, Stage::Test] {
        let tars: Vec<_> = shards.iter().filter(|s| s.0 == stage).map(|s| &s.1).collect();
        match stage {
            Stage::Train if tars.is_empty() => {
                let problem = "holds no .tar of the train split, in it or in a folder `train`";
                return Err(Error::source(input, problem));
            }
            _ if tars.is_empty() => continue,
            _ => splits.push(read_split(stage, &tars, &mut texts, scan)?),
        }
        if stage == Stage::Train {
            train_texts = texts.len();
            if train_texts == 0 {
                return Err(no_images(input, scan));
            }
        }
    }
    let meanings = texts.classes(input, train_texts)?;
    for SplitSamples { stage, archives, images } in splits {
        let tars = archives.len();
        let mut split = ImageFiles { storage: archives, files: Vec::with_capacity(images.len()) };
        for (text, image) in images {
            match &meanings.labels[text] {
                Ok(label) => split.files.push((*label, image)),
                Err(reason) => scan.note(stage.split(), &image.name, Action::Skipped, reason),
            }
        }
        if !split.files.is_empty() {
            scan.add(stage, split);
        } else if stage == Stage::Train {
            return Err(no_images(input, scan));
        } else {
            let reason = format!("{tars} tars without a sample that has an image and a label");
            scan.note(stage.split(), stage.split(), Action::Unused, &reason);
        }
    }
    Ok(meanings.classes)
}

fn no_images(input: &Path, scan: &Scan<'_>) -> Error {
    let faults: Faults = scan.report.iter().collect();
    faults.no_images(input, "holds no sample of train with an image and a label (.cls)")
}

/// Reads the samples of a split, with the texts of their labels.
fn read_split(
    stage: Stage,
    tars: &[&PathBuf],
    texts: &mut Texts,
    scan: &mut Scan<'_>,
) -> Result<SplitSamples> {
    let mut split = SplitSamples { stage, archives: Archives::default(), images: Vec::new() };
    for (number, path) in tars.iter().enumerate() {
        let (archive, before) = (Archive::open(path)?, split.images.len());
        let tar = path.file_name().unwrap_or_default().to_string_lossy();
        let samples = samples(&archive)?;
        scan.ignored += samples.ignored;
        for (key, reason) in samples.left_out {
            scan.note(stage.split(), &format!("{tar}/{key}"), Action::Skipped, &reason);
        }
        for (image, label) in samples.pairs {
            let name: Box<str> = format!("{tar}/{}", image.name).into();
            match texts.read(&archive, &label)? {
                Ok(text) => {
                    split.images.push((text, Member { name, archive: number, ..image }));
                }
                Err(reason) => scan.note(stage.split(), &name, Action::Skipped, &reason),
            }
        }
        split.archives.push(archive);
        scan.found(split.images.len() - before);
    }
    Ok(split)
}
