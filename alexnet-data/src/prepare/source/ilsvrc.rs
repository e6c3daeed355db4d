//! ILSVRC and ImageNet as downloaded: tars of tars, flat tars, and the development kit.

use super::archive::{Archive, Archives};
use super::devkit::Devkit;
use super::files::ImageFiles;
use super::listing::{Candidate, Format, Scan};
use super::names::{file_name, is_wnid, names_in, wnid_of_tar};
use super::tar::{self, Member};
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub(super) const FORMAT_2012: Format = Format {
    name: "ilsvrc2012",
    default_size: 256,
    recognise: |candidate| Y2012.recognise(candidate),
    list: |input, _, scan| list(input, &Y2012, scan),
};

pub(super) const FORMAT_2010: Format = Format {
    name: "ilsvrc2010",
    default_size: 256,
    recognise: |candidate| Y2010.recognise(candidate),
    list: |input, _, scan| list(input, &Y2010, scan),
};

pub(super) const FORMAT_FALL_2011: Format = Format {
    name: "fall2011",
    default_size: 256,
    recognise: |candidate| match &candidate.single {
        Some(name) if name.ends_with(".tar") && name.contains("fall11") => true,
        Some(name) => {
            let mut held = candidate.packed.iter().map(|path| file_name(path));
            wnid_of_tar(name).is_some() || held.any(|name| wnid_of_tar(name).is_some())
        }
        None => candidate.files.iter().any(|name| wnid_of_tar(name).is_some()),
    },
    list: |input, _, scan| list_synsets(input, scan),
};

/// The files of one year.
struct Year {
    train: &'static str,
    val: &'static str,
    test: Option<&'static str>,
    devkit: &'static str,
    test_labels: &'static str,
}

const Y2012: Year = Year {
    train: "ILSVRC2012_img_train.tar",
    val: "ILSVRC2012_img_val.tar",
    test: None, // its labels were never released
    devkit: "ILSVRC2012_devkit_t12.tar.gz",
    test_labels: "",
};

const Y2010: Year = Year {
    train: "ILSVRC2010_images_train.tar",
    val: "ILSVRC2010_images_val.tar",
    test: Some("ILSVRC2010_images_test.tar"),
    devkit: "ILSVRC2010_devkit-1.0.tar.gz",
    test_labels: "ILSVRC2010_test_ground_truth.txt",
};

impl Year {
    fn recognise(&self, candidate: &Candidate) -> bool {
        candidate.has_file(self.train) || candidate.single.as_deref() == Some(self.train)
    }
}

fn list(input: &Path, year: &Year, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let find = |name: &str| {
        let path = input.join(name);
        if path.is_file() {
            return Ok(path);
        }
        let Year { train, val, devkit, .. } = year;
        let expected = format!("expected {train}, {val} and {devkit}, as downloaded");
        Err(Error::source(input, format!("holds no {name}; {expected}")))
    };
    if input.is_file() {
        let Year { train, val, devkit, .. } = year;
        let problem =
            format!("is one archive of several: give the folder with {train}, {val} and {devkit}");
        return Err(Error::source(input, problem));
    }
    names_in(input)?;
    let (train, val) = (find(year.train)?, find(year.val)?);
    let kit = Devkit::read(&find(year.devkit)?)?;
    let labels = (0..).zip(&kit.classes).map(|(l, c)| (c.name.as_str(), l)).collect();
    let train = synsets(&[train], Some(&labels), scan)?.1;
    scan.add(Stage::Train, train);
    add_flat(Stage::Val, &val, &kit.val_labels()?, scan)?;
    if let Some(test) = year.test.map(|name| input.join(name)).filter(|p| p.is_file()) {
        match kit.test_labels(&input.join(year.test_labels))? {
            Some(labels) => add_flat(Stage::Test, &test, &labels, scan)?,
            None => {
                let name = test.file_name().unwrap_or_default().to_string_lossy();
                let reason = format!("its labels, {}, are not beside it", year.test_labels);
                scan.note("test", &name, Action::Unlabelled, &reason);
            }
        }
    }
    Ok(kit.classes)
}

/// Lists a folder of tars, one for each WordNet id, or a tar of such tars.
fn list_synsets(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let mut tars = Vec::new();
    if input.is_dir() {
        for name in names_in(input)? {
            match wnid_of_tar(&name.to_string_lossy()) {
                Some(_) => tars.push(input.join(name)),
                None => scan.ignored += 1,
            }
        }
        tars.sort();
    } else {
        tars.push(input.into());
    }
    let (names, train) = synsets(&tars, None, scan)?;
    if train.files.is_empty() {
        let problem = "holds no images in tars named by WordNet ids (n01440764.tar, …)";
        return Err(Error::source(input, problem));
    }
    scan.add(Stage::Train, train);
    Ok(names.into_iter().map(Class::named).collect())
}

/// The images in tars named by WordNet ids, which are the archives `paths` or inside them, and the
/// ids in ascending order. Without `labels`, that order gives the labels.
fn synsets(
    paths: &[PathBuf],
    labels: Option<&HashMap<&str, u32>>,
    scan: &mut Scan<'_>,
) -> Result<(Vec<String>, ImageFiles<Member>)> {
    let mut images = ImageFiles::<Member> { storage: Archives::default(), files: Vec::new() };
    // Named by their WordNet ids; each is an archive or inside one.
    let mut tars: Vec<Member> = Vec::new();
    for path in paths {
        let (archive, number) = (Archive::open(path)?, images.storage.len());
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_wnid(&name) {
            let (name, length) = (name.into(), archive.length);
            tars.push(Member { name, archive: number, offset: 0, length });
        } else {
            let content = tar::read(&archive, 0, archive.length)?;
            content.note_left_out("train", "", scan);
            for member in content.members {
                match wnid_of_tar(file_name(&member.name)) {
                    Some(id) => tars.push(Member { name: id.into(), archive: number, ..member }),
                    None => scan.ignored += 1,
                }
            }
        }
        images.storage.push(archive);
    }
    tars.sort_by(|a, b| a.name.cmp(&b.name));
    let wrong = |tar: &Member, problem: &str| {
        Error::source(images.storage.path(tar.archive), format!("holds {}.tar{problem}", tar.name))
    };
    if let Some(twice) = tars.windows(2).find(|w| w[0].name == w[1].name) {
        return Err(wrong(&twice[1], " a second time"));
    }
    if let Some(labels) = labels {
        if let Some(tar) = tars.iter().find(|tar| !labels.contains_key(&*tar.name)) {
            return Err(wrong(tar, ", which is no class of the development kit"));
        }
        let has_tar = |id: &str| tars.binary_search_by(|tar| (*tar.name).cmp(id)).is_ok();
        let mut missing: Vec<_> = labels.keys().filter(|id| !has_tar(id)).collect();
        missing.sort();
        for id in missing {
            let reason = "a class without a tar in the train archive";
            scan.note("train", &format!("{id}.tar"), Action::Noted, reason);
        }
    }
    for (rank, Member { name: id, archive, offset, length }) in (0..).zip(&tars) {
        let label = labels.map_or(rank, |labels| labels[&**id]);
        let content = tar::read(&*images.storage.get(*archive)?, *offset, *length)?;
        content.note_left_out("train", &format!("{id}/"), scan);
        let mut files = content.members;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        scan.found(files.len());
        images.files.extend(files.into_iter().map(|file| {
            let name = format!("{id}/{}", file_name(&file.name)).into();
            (label, Member { name, archive: *archive, ..file })
        }));
    }
    Ok((tars.into_iter().map(|tar| tar.name.into()).collect(), images))
}

/// Adds the images of a flat tar. Each has a number in its name, which is its place in `labels`,
/// from 1.
fn add_flat(stage: Stage, path: &Path, labels: &[u32], scan: &mut Scan<'_>) -> Result<()> {
    let archive = Archive::open(path)?;
    let mut files = Vec::new();
    let content = tar::read(&archive, 0, archive.length)?;
    content.note_left_out(stage.split(), "", scan);
    for member in content.members {
        let name = file_name(&member.name);
        let Some(number) = number(name) else {
            scan.ignored += 1;
            continue;
        };
        let Some(&label) = number.checked_sub(1).and_then(|n| labels.get(n)) else {
            let problem = format!("holds {name}, but there are only {} labels", labels.len());
            return Err(Error::source(path, problem));
        };
        files.push((label, Member { name: name.into(), ..member }));
    }
    if files.is_empty() {
        let problem = format!("holds no images named …_{}_00000001.JPEG", stage.split());
        return Err(Error::source(path, problem));
    }
    files.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    scan.found(files.len());
    let mut storage = Archives::default();
    storage.push(archive);
    scan.add(stage, ImageFiles { storage, files });
    Ok(())
}

/// The number in `ILSVRC2012_val_00000293.JPEG`.
fn number(name: &str) -> Option<usize> {
    name.rsplit_once('.')?.0.rsplit_once('_')?.1.parse().ok()
}
