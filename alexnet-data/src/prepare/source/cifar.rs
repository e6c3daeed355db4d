//! The CIFAR-10 and CIFAR-100 sources: the official binary files.
//!
//! Each is a row of records: a label (of CIFAR-100 a coarse and a fine one), then the red, the green
//! and the blue plane of a 32 × 32 image, row by row.

use super::{Images, Listing, wrong};
use crate::map::map;
use crate::prepare::Stage;
use crate::{Class, Decoder, Error, Pixels};
use memmap2::Mmap;
use std::path::Path;

/// The side of its images.
pub(super) const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// One of the two.
pub(super) struct Kind {
    name: &'static str,
    /// The folder inside the official archive.
    folder: &'static str,
    train: &'static [&'static str],
    val: &'static str,
    /// Bytes of labels before the planes; the last of them counts.
    labels: usize,
    classes: usize,
    /// The file with the names of the classes.
    names: &'static str,
    /// The official names, for when that file is not there.
    known: &'static [&'static str],
}

pub(super) const TEN: Kind = Kind {
    name: "CIFAR-10",
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    val: "test_batch.bin",
    labels: 1,
    classes: 10,
    names: "batches.meta.txt",
    known: &[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ],
};

pub(super) const HUNDRED: Kind = Kind {
    name: "CIFAR-100",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    val: "test.bin",
    labels: 2,
    classes: 100,
    names: "fine_label_names.txt",
    known: &[],
};

impl Kind {
    /// Bytes of a record.
    fn record(&self) -> usize {
        self.labels + 3 * PLANE
    }
}

/// Some of the files, mapped.
struct Batches {
    kind: &'static Kind,
    files: Vec<(String, Mmap)>,
    /// File and record of every image.
    places: Vec<(usize, usize)>,
}

impl Batches {
    /// The label and the planes of an image.
    fn record(&self, i: usize) -> (u8, &[u8]) {
        let (file, record) = self.places[i];
        let length = self.kind.record();
        let (labels, planes) =
            self.files[file].1[record * length..][..length].split_at(self.kind.labels);
        (labels[labels.len() - 1], planes)
    }
}

impl Images for Batches {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.record(i).0.into()
    }

    fn name(&self, i: usize) -> String {
        let (file, record) = self.places[i];
        format!("{}#{record}", self.files[file].0)
    }

    fn load(&self, i: usize, _: &mut Decoder) -> Result<Pixels, String> {
        let (label, planes) = self.record(i);
        if usize::from(label) >= self.kind.classes {
            return Err(format!("label {label}, expected 0 to {}", self.kind.classes - 1));
        }
        let data = (0..PLANE).flat_map(|p| [0, 1, 2].map(|c| planes[c * PLANE + p])).collect();
        Ok(Pixels { height: SIDE, width: SIDE, data, damage: None })
    }
}

/// Lists the files in `input`, or in the archive's folder inside it.
pub(super) fn list(input: &Path, kind: &'static Kind) -> Result<Listing, Error> {
    std::fs::metadata(input).map_err(Error::io("read", input))?;
    let inner = input.join(kind.folder);
    let dir = if inner.is_dir() { inner } else { input.to_path_buf() };
    Ok(Listing {
        classes: classes(&dir, kind)?,
        splits: vec![
            (Stage::Train, Box::new(open(&dir, kind, kind.train)?)),
            (Stage::Val, Box::new(open(&dir, kind, &[kind.val])?)),
        ],
        ignored: 0,
        odd: Vec::new(),
    })
}

fn open(dir: &Path, kind: &'static Kind, names: &[&str]) -> Result<Batches, Error> {
    let mut batches = Batches { kind, files: Vec::new(), places: Vec::new() };
    for &name in names {
        let path = dir.join(name);
        if !path.is_file() {
            let (train, val) = (kind.train.join(", "), kind.val);
            let problem = format!(
                "holds no {name}; expected {train} and {val}, as in the binary version of {}",
                kind.name
            );
            return Err(wrong(dir, problem));
        }
        check_length(&path, kind)?;
        let map = map(&path)?;
        let file = batches.files.len();
        batches.places.extend((0..map.len() / kind.record()).map(|record| (file, record)));
        batches.files.push((name.to_owned(), map));
    }
    Ok(batches)
}

fn check_length(path: &Path, kind: &Kind) -> Result<(), Error> {
    let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if length > 0 && length % kind.record() as u64 == 0 {
        return Ok(());
    }
    let problem =
        format!("has {length} bytes; expected a multiple of {}: download it again", kind.record());
    Err(wrong(path, problem))
}

/// The class names: those of the archive's own file where it is there.
fn classes(dir: &Path, kind: &Kind) -> Result<Vec<Class>, Error> {
    let path = dir.join(kind.names);
    let class = |name: &str| Class::named(name.trim().to_owned());
    if !path.exists() && !kind.known.is_empty() {
        return Ok(kind.known.iter().map(|name| class(name)).collect());
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).map(class).collect();
    let mut unique: Vec<_> = names.iter().map(|c| &c.name).collect();
    unique.sort();
    unique.dedup();
    if unique.len() != kind.classes || names.len() != kind.classes {
        let (got, want) = (names.len(), kind.classes);
        return Err(wrong(
            &path,
            format!("lists {got} class names; expected {want} different ones"),
        ));
    }
    Ok(names)
}
