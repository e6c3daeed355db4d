//! The development kit of ILSVRC: class names and labels, read inside its tar.gz.

use super::mat::{Synset, synsets};
use super::names::file_name;
use crate::error::Error;
use crate::manifest::Class;
use flate2::read::GzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The most bytes of the inflated kit that are read; the real ones have a few million.
const MAX_KIT: u64 = 1 << 30;
/// The most bytes of one of its files that are read.
const MAX_FILE: u64 = 1 << 26;

/// What a preparation needs from the kit.
pub(super) struct Devkit {
    /// The classes with WordNet ids ascending.
    pub(super) classes: Vec<Class>,
    /// The label of each class number in the kit.
    by_id: HashMap<u32, u32>,
    val: Option<Vec<u32>>,
    test: Option<Vec<u32>>,
}

impl Devkit {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
        let broken = |e: std::io::Error| {
            Error::source(path, format!("cannot be read as a tar.gz ({e}): download it again"))
        };
        let (mut mat, mut val, mut test) = (None, None, None);
        let mut tar = tar::Archive::new(GzDecoder::new(file).take(MAX_KIT));
        for entry in tar.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let slot = match file_name(&name) {
                "meta.mat" => &mut mat,
                n if n.ends_with("validation_ground_truth.txt") => &mut val,
                n if n.ends_with("test_ground_truth.txt") => &mut test,
                _ => continue,
            };
            let mut bytes = Vec::new();
            (&mut entry).take(MAX_FILE).read_to_end(&mut bytes).map_err(broken)?;
            *slot = Some(bytes);
        }
        let mat =
            mat.ok_or_else(|| Error::source(path, "holds no data/meta.mat: download it again"))?;
        let synsets =
            synsets(&mat).map_err(|e| Error::source(path, format!("its meta.mat {e}")))?;
        let numbers = |bytes: Option<Vec<u8>>| {
            bytes.map(|b| ids(&b).map_err(|e| Error::source(path, e))).transpose()
        };
        let (val, test) = (numbers(val)?, numbers(test)?);
        let mut kit = Self { classes: Vec::new(), by_id: HashMap::new(), val, test };
        kit.add(synsets.into_iter().filter(|s| s.leaf).collect(), path)?;
        Ok(kit)
    }

    fn add(&mut self, mut leaves: Vec<Synset>, path: &Path) -> Result<(), Error> {
        leaves.sort_by(|a, b| a.wnid.cmp(&b.wnid));
        let twice = leaves.windows(2).any(|w| w[0].wnid == w[1].wnid);
        for (label, s) in (0..).zip(leaves) {
            if twice || self.by_id.insert(s.id, label).is_some() {
                return Err(Error::source(
                    path,
                    format!("its meta.mat has the class {} twice", s.wnid),
                ));
            }
            let words = Some(s.words).filter(|w| !w.is_empty());
            self.classes.push(Class { name: s.wnid, words, devkit_id: Some(s.id) });
        }
        match self.classes.is_empty() {
            true => {
                Err(Error::source(path, "its meta.mat has no synset without children: no classes"))
            }
            false => Ok(()),
        }
    }

    /// The labels of the validation images, in the order of their numbers.
    pub(super) fn val_labels(&self, path: &Path) -> Result<Vec<u32>, Error> {
        let ids = self.val.as_ref().ok_or_else(|| {
            Error::source(path, "holds no …validation_ground_truth.txt: download it again")
        })?;
        self.labels(ids, path)
    }

    /// The labels of the test images, if the kit has them.
    pub(super) fn test_labels(&self, path: &Path) -> Option<Result<Vec<u32>, Error>> {
        self.test.as_ref().map(|ids| self.labels(ids, path))
    }

    /// The labels in a ground-truth file beside the kit.
    pub(super) fn labels_of_file(&self, path: &Path) -> Result<Vec<u32>, Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        self.labels(&ids(&bytes).map_err(|e| Error::source(path, e))?, path)
    }

    fn labels(&self, ids: &[u32], path: &Path) -> Result<Vec<u32>, Error> {
        let unknown =
            |id| Error::source(path, format!("a ground truth of {id}, which is no class's id"));
        ids.iter().map(|id| self.by_id.get(id).copied().ok_or_else(|| unknown(id))).collect()
    }
}

/// Parses one number a line.
fn ids(bytes: &[u8]) -> Result<Vec<u32>, String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty()).enumerate();
    let number = |(n, line): (usize, &str)| {
        let shown: String = line.chars().take(20).collect();
        line.parse().map_err(|_| format!("ground truth line {} is {shown:?}, no number", n + 1))
    };
    lines.map(number).collect()
}
