//! ILSVRC as it is delivered: a tar of tars, flat tars, and the development kit.

use super::archive::{file_name, is_wnid, members};
use super::devkit::Devkit;
use super::packed::{Archive, Item, Packed};
use super::{Images, Listing, found, wrong};
use crate::prepare::report::{Action, Odd};
use crate::prepare::{Progress, Stage};
use crate::{Class, Error};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of one year.
pub(super) struct Year {
    pub(super) train: &'static str,
    val: &'static str,
    test: Option<&'static str>,
    devkit: &'static str,
    test_labels: &'static str,
}

pub(super) const Y2012: Year = Year {
    train: "ILSVRC2012_img_train.tar",
    val: "ILSVRC2012_img_val.tar",
    test: None, // its labels were never released
    devkit: "ILSVRC2012_devkit_t12.tar.gz",
    test_labels: "",
};

pub(super) const Y2010: Year = Year {
    train: "ILSVRC2010_images_train.tar",
    val: "ILSVRC2010_images_val.tar",
    test: Some("ILSVRC2010_images_test.tar"),
    devkit: "ILSVRC2010_devkit-1.0.tar.gz",
    test_labels: "ILSVRC2010_test_ground_truth.txt",
};

type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

pub(super) fn list(input: &Path, year: &Year, progress: Tell<'_>) -> Result<Listing, Error> {
    let there = |name: &str| {
        let path = input.join(name);
        if path.is_file() {
            return Ok(path);
        }
        let (train, val, kit) = (year.train, year.val, year.devkit);
        let problem = format!("holds no {name}; expected {train}, {val} and {kit}, as downloaded");
        Err(wrong(input, problem))
    };
    fs::read_dir(input).map_err(Error::io("read", input))?;
    let (train, val, kit_path) = (there(year.train)?, there(year.val)?, there(year.devkit)?);
    let kit = Devkit::read(&kit_path)?;
    let labels = (0..).zip(&kit.classes).map(|(l, c)| (c.name.as_str(), l)).collect();
    let mut scan = Scan { odd: Vec::new(), ignored: 0, found: 0, progress };
    let train = scan.synsets(&[train], Some(&labels))?.1;
    let mut splits: Vec<(Stage, Box<dyn Images>)> = vec![(Stage::Train, Box::new(train))];
    let val = scan.flat(Stage::Val, &val, &kit.val(&kit_path)?)?;
    splits.push((Stage::Val, Box::new(val)));
    if let Some(test) = year.test.map(|name| input.join(name)).filter(|p| p.is_file()) {
        let beside = input.join(year.test_labels);
        let labels = match kit.test(&kit_path) {
            Some(labels) => Some(labels?),
            None if beside.is_file() => Some(kit.labels_of_file(&beside)?),
            None => None,
        };
        match labels {
            Some(labels) => {
                splits.push((Stage::Test, Box::new(scan.flat(Stage::Test, &test, &labels)?)));
            }
            None => {
                let name = file_name(&test.to_string_lossy()).to_owned();
                let reason = format!("left out: {} is not beside it", year.test_labels);
                scan.odd.push(Odd::new("test", name, Action::Noted, reason));
            }
        }
    }
    Ok(Listing { classes: kit.classes, splits, ignored: scan.ignored, odd: scan.odd })
}

/// Lists a folder of tars, one for each WordNet id, or a tar of such tars.
pub(super) fn list_synsets(input: &Path, progress: Tell<'_>) -> Result<Listing, Error> {
    let mut scan = Scan { odd: Vec::new(), ignored: 0, found: 0, progress };
    let mut tars = Vec::new();
    if input.is_dir() {
        for entry in fs::read_dir(input).map_err(Error::io("read", input))? {
            let path = entry.map_err(Error::io("read", input))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_tar = name.strip_suffix(".tar").is_some_and(is_wnid);
            if is_tar { tars.push(path) } else { scan.ignored += 1 }
        }
        tars.sort();
    } else {
        tars.push(input.into());
    }
    let (names, train) = scan.synsets(&tars, None)?;
    if train.items.is_empty() {
        let problem = "holds no images in tars named by WordNet ids (n01440764.tar, …)";
        return Err(wrong(input, problem));
    }
    let classes = names.into_iter().map(Class::named).collect();
    let splits: Vec<(Stage, Box<dyn Images>)> = vec![(Stage::Train, Box::new(train))];
    Ok(Listing { classes, splits, ignored: scan.ignored, odd: scan.odd })
}

struct Scan<'a> {
    odd: Vec<Odd>,
    ignored: u64,
    found: usize,
    progress: Tell<'a>,
}

impl Scan<'_> {
    /// The images of tars named by WordNet id, lying alone or inside another tar; with the ids in
    /// ascending order, where `labels` does not say them.
    fn synsets(
        &mut self,
        paths: &[PathBuf],
        labels: Option<&HashMap<&str, u32>>,
    ) -> Result<(Vec<String>, Packed), Error> {
        let mut packed = Packed::default();
        let mut tars = Vec::new(); // id, archive, start, length
        for path in paths {
            let (archive, number) = (Archive::open(path)?, packed.archives.len());
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if is_wnid(&name) {
                tars.push((name, number, 0, archive.length));
            } else {
                for member in members(&archive, 0, archive.length)? {
                    match file_name(&member.path).strip_suffix(".tar").filter(|n| is_wnid(n)) {
                        Some(id) => tars.push((id.into(), number, member.offset, member.length)),
                        None => self.ignored += 1,
                    }
                }
            }
            packed.archives.push(archive);
        }
        tars.sort();
        if let Some(twice) = tars.windows(2).find(|w| w[0].0 == w[1].0) {
            let path = &packed.archives[twice[1].1].path;
            return Err(wrong(path, format!("holds {}.tar a second time", twice[1].0)));
        }
        if let Some(labels) = labels {
            self.compare(&tars, labels, &packed)?;
        }
        for (place, (id, archive, start, length)) in (0..).zip(&tars) {
            let label = labels.map_or(place, |labels| labels[id.as_str()]);
            let mut files = members(&packed.archives[*archive], *start, *length)?;
            files.sort_by(|a, b| a.path.cmp(&b.path));
            packed.items.extend(files.into_iter().map(|m| Item {
                archive: *archive,
                label,
                offset: m.offset,
                length: m.length,
                name: format!("{id}/{}", file_name(&m.path)).into(),
            }));
            found(self.progress, self.found + packed.items.len());
        }
        self.found += packed.items.len();
        Ok((tars.into_iter().map(|t| t.0).collect(), packed))
    }

    /// Refuses tars of no class, notes classes without a tar.
    fn compare(
        &mut self,
        tars: &[(String, usize, u64, u64)],
        labels: &HashMap<&str, u32>,
        packed: &Packed,
    ) -> Result<(), Error> {
        if let Some(tar) = tars.iter().find(|t| !labels.contains_key(t.0.as_str())) {
            let path = &packed.archives[tar.1].path;
            let problem = format!("holds {}.tar, which is no class of the development kit", tar.0);
            return Err(wrong(path, problem));
        }
        let mut without: Vec<_> = labels
            .keys()
            .filter(|id| tars.binary_search_by(|t| t.0.as_str().cmp(id)).is_err())
            .collect();
        without.sort();
        self.odd.extend(without.into_iter().map(|id| {
            let reason = "a class without a tar in the train archive".into();
            Odd::new("train", format!("{id}.tar"), Action::Noted, reason)
        }));
        Ok(())
    }

    /// The images of a flat tar, each named by its number, which `labels` has the label of.
    fn flat(&mut self, stage: Stage, path: &Path, labels: &[u32]) -> Result<Packed, Error> {
        let archive = Archive::open(path)?;
        let mut items = Vec::new();
        for m in members(&archive, 0, archive.length)? {
            let name = file_name(&m.path);
            let Some(number) = number(name) else {
                self.ignored += 1;
                continue;
            };
            let Some(&label) = number.checked_sub(1).and_then(|n| labels.get(n)) else {
                let problem = format!("holds {name}, but there are only {} labels", labels.len());
                return Err(wrong(path, problem));
            };
            let (offset, length) = (m.offset, m.length);
            items.push(Item { archive: 0, label, offset, length, name: name.into() });
        }
        if items.is_empty() {
            return Err(wrong(
                path,
                format!("holds no images named …_{}_00000001.JPEG", stage.split()),
            ));
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        self.found += items.len();
        found(self.progress, self.found);
        Ok(Packed { archives: vec![archive], items })
    }
}

/// The number in `ILSVRC2012_val_00000293.JPEG`.
pub(super) fn number(name: &str) -> Option<usize> {
    name.rsplit_once('.')?.0.rsplit_once('_')?.1.parse().ok()
}
