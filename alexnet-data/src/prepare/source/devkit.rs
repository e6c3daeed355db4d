//! The development kit of ILSVRC: class names and labels, read inside its tar.gz.

use super::mat::{Synset, synsets};
use super::names::file_name;
use crate::error::{Error, Result};
use crate::manifest::Class;
use flate2::read::GzDecoder;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The most bytes of the inflated kit that are read; the real ones have a few million.
const MAX_KIT: u64 = 1 << 30;
/// The most bytes of one of its files that are read.
const MAX_FILE: u64 = 1 << 26;

/// What a preparation needs from the kit.
pub(super) struct Devkit {
    path: PathBuf,
    /// The classes with WordNet ids ascending.
    pub(super) classes: Vec<Class>,
    /// The label of each class number in the kit.
    by_id: HashMap<u32, u32>,
    /// The ground truth of val: the class numbers of its images, one a line.
    val: Option<Vec<u8>>,
    test: Option<Vec<u8>>,
}

impl Devkit {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let wrong = |problem: &str| Error::source(path, problem);
        let file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
        let broken =
            |e: io::Error| wrong(&format!("cannot be read as a tar.gz ({e}): download it again"));
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
        let mat = mat.ok_or_else(|| wrong("holds no data/meta.mat: download it again"))?;
        let synsets = synsets(&mat).map_err(|e| wrong(&format!("its meta.mat {e}")))?;
        let mut leaves: Vec<_> = synsets.into_iter().filter(|s| s.leaf).collect();
        leaves.sort_by(|a, b| a.wnid.cmp(&b.wnid));
        if leaves.is_empty() {
            return Err(wrong("its meta.mat has no synset without children: no classes"));
        }
        let (mut by_id, mut names) = (HashMap::new(), HashSet::new());
        for (label, s) in (0..).zip(&leaves) {
            if by_id.insert(s.id, label).is_some() || !names.insert(&s.wnid) {
                return Err(wrong(&format!("its meta.mat has the class {} twice", s.wnid)));
            }
        }
        let class = |Synset { id, wnid, words, .. }| {
            let words = Some(words).filter(|w: &String| !w.is_empty());
            Class { name: wnid, words, devkit_id: Some(id) }
        };
        let classes = leaves.into_iter().map(class).collect();
        Ok(Self { path: path.into(), classes, by_id, val, test })
    }

    /// The labels of the validation images, in the order of their numbers.
    pub(super) fn val_labels(&self) -> Result<Vec<u32>> {
        let missing = "holds no …validation_ground_truth.txt: download it again";
        let truth = self.val.as_ref().ok_or_else(|| Error::source(&self.path, missing))?;
        self.labels(truth, &self.path)
    }

    /// The labels of the test images, if the kit or the file `beside` it has them.
    pub(super) fn test_labels(&self, beside: &Path) -> Result<Option<Vec<u32>>> {
        match &self.test {
            Some(truth) => self.labels(truth, &self.path).map(Some),
            None if beside.is_file() => {
                let truth = std::fs::read(beside).map_err(Error::io("read", beside))?;
                self.labels(&truth, beside).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Parses a ground truth, which is in the file `path`.
    fn labels(&self, truth: &[u8], path: &Path) -> Result<Vec<u32>> {
        let text = String::from_utf8_lossy(truth);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let label = |(n, line): (usize, &str)| {
            let id: u32 = line.parse().map_err(|_| {
                let shown: String = line.chars().take(20).collect();
                format!("ground truth line {n} is {shown:?}, no number")
            })?;
            let unknown = || format!("a ground truth of {id}, which is no class's id");
            self.by_id.get(&id).copied().ok_or_else(unknown)
        };
        (1..).zip(lines).map(label).collect::<Result<_, _>>().map_err(|e| Error::source(path, e))
    }
}
