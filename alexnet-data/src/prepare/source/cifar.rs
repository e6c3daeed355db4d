//! CIFAR-10 and CIFAR-100 as the official binary files.
//!
//! A file is a sequence of records: a label (in CIFAR-100 a coarse and a fine one), then the red,
//! the green and the blue plane of a 32 × 32 image, row by row.

use super::listing::{Format, Images, LoadError, Scan};
use super::names::named_classes;
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::mmap::map;
use crate::progress::Stage;
use memmap2::Mmap;
use std::path::Path;

pub(super) const FORMAT_10: Format = Format {
    name: "cifar10",
    default_size: SIDE,
    recognise: |c| c.has_file("data_batch_1.bin") || c.has_folder(TEN.folder),
    list: |input, _, scan| list(input, &TEN, scan),
};

pub(super) const FORMAT_100: Format = Format {
    name: "cifar100",
    default_size: SIDE,
    recognise: |c| {
        c.has_file("train.bin") && c.has_file("test.bin") || c.has_folder(HUNDRED.folder)
    },
    list: |input, _, scan| list(input, &HUNDRED, scan),
};

/// The side of the images.
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// What distinguishes the two datasets. Lists are separated by spaces.
struct Kind {
    name: &'static str,
    /// The folder inside the official archive.
    folder: &'static str,
    train: &'static str,
    val: &'static str,
    /// Bytes of labels before the planes; the last of them is used.
    labels: usize,
    classes: usize,
    /// The file with the names of the classes.
    names: &'static str,
    /// The official names, for an input without that file.
    known_names: &'static str,
}

const TEN: Kind = Kind {
    name: "CIFAR-10",
    folder: "cifar-10-batches-bin",
    train: "data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin",
    val: "test_batch.bin",
    labels: 1,
    classes: 10,
    names: "batches.meta.txt",
    known_names: "airplane automobile bird cat deer dog frog horse ship truck",
};

const HUNDRED: Kind = Kind {
    name: "CIFAR-100",
    folder: "cifar-100-binary",
    train: "train.bin",
    val: "test.bin",
    labels: 2,
    classes: 100,
    names: "fine_label_names.txt",
    known_names: "",
};

impl Kind {
    /// Bytes of a record.
    fn record(&self) -> usize {
        self.labels + 3 * PLANE
    }
}

/// The mapped files of a split.
struct Batches {
    kind: &'static Kind,
    files: Vec<(String, Mmap)>,
    /// The file and the record of every image.
    locations: Vec<(usize, usize)>,
}

impl Batches {
    /// The label and the planes of an image.
    fn record(&self, i: usize) -> (u8, &[u8]) {
        let (file, record) = self.locations[i];
        let bytes = &self.files[file].1[record * self.kind.record()..][..self.kind.record()];
        let (labels, planes) = bytes.split_at(self.kind.labels);
        (labels[labels.len() - 1], planes)
    }
}

impl Images for Batches {
    fn len(&self) -> usize {
        self.locations.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.record(i).0.into()
    }

    fn name(&self, i: usize) -> String {
        let (file, record) = self.locations[i];
        format!("{}#{record}", self.files[file].0)
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, LoadError> {
        let (label, planes) = self.record(i);
        if usize::from(label) >= self.kind.classes {
            let highest = self.kind.classes - 1;
            return Err(LoadError::Image(format!("label {label}, expected 0 to {highest}")));
        }
        let data = (0..PLANE).flat_map(|p| [0, 1, 2].map(|c| planes[c * PLANE + p])).collect();
        Ok(decoder.resize(Pixels::new(SIDE, SIDE, data)).map_err(|e| e.to_string())?)
    }
}

/// Lists the files in `input`, or in the archive's folder inside it.
fn list(input: &Path, kind: &'static Kind, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    std::fs::metadata(input).map_err(Error::io("read", input))?;
    let inner = input.join(kind.folder);
    let dir = if inner.is_dir() { inner } else { input.to_path_buf() };
    let names = dir.join(kind.names);
    let classes = match names.exists() || kind.known_names.is_empty() {
        true => named_classes(&names, kind.classes..=kind.classes)?,
        false => kind.known_names.split(' ').map(Class::named).collect(),
    };
    scan.add(Stage::Train, open(&dir, kind, kind.train)?);
    scan.add(Stage::Val, open(&dir, kind, kind.val)?);
    Ok(classes)
}

fn open(dir: &Path, kind: &'static Kind, names: &str) -> Result<Batches> {
    let mut batches = Batches { kind, files: Vec::new(), locations: Vec::new() };
    for (file, name) in names.split(' ').enumerate() {
        let path = dir.join(name);
        if !path.is_file() {
            let Kind { name: dataset, train, val, .. } = kind;
            let train = train.replace(' ', ", ");
            let expected =
                format!("expected {train} and {val}, as in the binary version of {dataset}");
            return Err(Error::source(dir, format!("holds no {name}; {expected}")));
        }
        let (length, record) = (path.metadata().map_or(0, |m| m.len()), kind.record());
        if length == 0 || length % record as u64 != 0 {
            let expected = format!("expected a multiple of {record}: download it again");
            return Err(Error::source(path, format!("has {length} bytes; {expected}")));
        }
        let map = map(&path)?;
        batches.locations.extend((0..map.len() / record).map(|record| (file, record)));
        batches.files.push((name.to_owned(), map));
    }
    Ok(batches)
}
