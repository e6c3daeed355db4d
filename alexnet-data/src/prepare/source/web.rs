//! WebDataset: tars whose files come in samples of one name, an image and its label.

use super::archive::{Member, file_name, members};
use super::packed::{Archive, Item, Packed};
use super::{Images, Listing, found, wrong};
use crate::prepare::report::{Action, Odd};
use crate::prepare::{Progress, Stage};
use crate::{Class, Error};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

const IMAGES: [&str; 3] = ["jpg", "jpeg", "png"];
/// Labels are below this: a class of the manifest for each must make sense.
const MAX_LABEL: u32 = 1 << 20;
/// Names of the classes, one a line, where the folder has them.
const NAMES: &str = "classnames.txt";

/// A sample under way: its image, and its label.
type Sample = (Option<Member>, Option<Member>);

pub(super) fn list(input: &Path, progress: &(dyn Fn(Progress) + Sync)) -> Result<Listing, Error> {
    let (train, val) = tars(input)?;
    if train.is_empty() {
        let problem = "holds no .tar, in it or in a folder `train`, that is not validation";
        return Err(wrong(input, problem));
    }
    let mut scan = Scan { odd: Vec::new(), ignored: 0, found: 0, progress };
    let train = scan.split(Stage::Train, &train)?;
    let highest = |packed: &Packed| packed.items.iter().map(|i| i.label).max();
    let Some(mut last) = highest(&train) else {
        return Err(wrong(input, "holds no sample with an image (jpg, png) and a label (cls)"));
    };
    let mut splits: Vec<(Stage, Box<dyn Images>)> = vec![(Stage::Train, Box::new(train))];
    if !val.is_empty() {
        let val = scan.split(Stage::Val, &val)?;
        last = last.max(highest(&val).unwrap_or(0));
        splits.push((Stage::Val, Box::new(val)));
    }
    let classes = classes(input, last as usize + 1)?;
    Ok(Listing { classes, splits, ignored: scan.ignored, odd: scan.odd })
}

/// The tars of train and of val: in folders of these names, or told by their names.
fn tars(input: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    if input.is_file() {
        return Ok((vec![input.into()], Vec::new()));
    }
    let of = |dir: &Path| {
        let mut tars = Vec::new();
        for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
            let path = entry.map_err(Error::io("read", dir))?.path();
            if path.extension().is_some_and(|e| e == "tar") && path.is_file() {
                tars.push(path);
            }
        }
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

/// The names of the classes: those of `classnames.txt`, or the labels' numbers.
fn classes(input: &Path, count: usize) -> Result<Vec<Class>, Error> {
    let path = input.join(NAMES);
    if !path.is_file() {
        return Ok((0..count).map(|label| Class::named(label.to_string())).collect());
    }
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let names: Vec<_> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    if names.len() < count || distinct.len() < names.len() {
        let problem = format!("lists {} names; expected {count} different ones", names.len());
        return Err(wrong(&path, problem));
    }
    Ok(names.into_iter().map(|name| Class::named(name.to_owned())).collect())
}

struct Scan<'a> {
    odd: Vec<Odd>,
    ignored: u64,
    found: usize,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl Scan<'_> {
    fn split(&mut self, stage: Stage, tars: &[PathBuf]) -> Result<Packed, Error> {
        let mut packed = Packed::default();
        for (number, path) in tars.iter().enumerate() {
            let archive = Archive::open(path)?;
            let tar = path.file_name().unwrap_or_default().to_string_lossy();
            for (key, sample) in self.samples(&archive)? {
                let mut skip = |reason: &str| {
                    let name = format!("{tar}/{key}");
                    self.odd.push(Odd::new(stage.split(), name, Action::Skipped, reason.into()));
                };
                match sample {
                    (Some(image), Some(label)) => match read_label(&archive, &label) {
                        Some(label) => packed.items.push(Item {
                            archive: number,
                            label,
                            offset: image.offset,
                            length: image.length,
                            name: format!("{tar}/{}", image.path).into(),
                        }),
                        None => skip("its .cls is no number below 1048576"),
                    },
                    (None, _) => skip("a label without an image"),
                    (_, None) => skip("an image without a label"),
                }
            }
            packed.archives.push(archive);
            found(self.progress, self.found + packed.items.len());
        }
        self.found += packed.items.len();
        Ok(packed)
    }

    /// The samples of a tar, in the order of their keys.
    fn samples(&mut self, archive: &Archive) -> Result<BTreeMap<String, Sample>, Error> {
        let mut samples: HashMap<String, Sample> = HashMap::new();
        for member in members(archive, 0, archive.length)? {
            let name = file_name(&member.path);
            let start = member.path.len() - name.len();
            // The key ends at the name's first dot.
            let Some(dot) = name.find('.') else {
                self.ignored += 1;
                continue;
            };
            let (key, kind) = (&member.path[..start + dot], name[dot + 1..].to_ascii_lowercase());
            let key = key.to_owned();
            if IMAGES.contains(&kind.as_str()) {
                samples.entry(key).or_default().0 = Some(member);
            } else if kind == "cls" {
                samples.entry(key).or_default().1 = Some(member);
            } else {
                self.ignored += 1;
            }
        }
        Ok(samples.into_iter().collect())
    }
}

fn read_label(archive: &Archive, member: &Member) -> Option<u32> {
    let mut text = vec![0; usize::try_from(member.length).ok().filter(|&n| n <= 32)?];
    archive.read_at(&mut text, member.offset).ok()?;
    let label = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
    (label < MAX_LABEL).then_some(label)
}
