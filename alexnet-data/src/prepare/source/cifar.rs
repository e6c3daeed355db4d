//! CIFAR-10 and CIFAR-100: the official binary or Python version, unpacked or as its tar.gz.
//!
//! Each image is a label and the red, the green and the blue plane of 32 × 32 pixels, row by row.
//! All of them have 184 MB, and stay in memory while they are prepared.

use super::cifar_files::{PLANE, Planes, SIDE, texts};
use super::listing::{Candidate, Format, Images, LoadError, Scan};
use super::names::classes_named;
use super::root::{Root, official};
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::progress::Stage;
use std::path::Path;

pub(super) const FORMAT_10: Format = Format {
    name: "cifar10",
    default_size: SIDE,
    recognise: |candidate| TEN.recognise(candidate),
    list: |input, _, scan| list(input, &TEN, scan),
};

pub(super) const FORMAT_100: Format = Format {
    name: "cifar100",
    default_size: SIDE,
    recognise: |candidate| HUNDRED.recognise(candidate),
    list: |input, _, scan| list(input, &HUNDRED, scan),
};

/// The most bytes of a file; the longest of the real ones have 157 million.
const MAX_FILE: u64 = 1 << 28;

/// What distinguishes the two datasets.
struct Kind {
    name: &'static str,
    /// The folders inside the official archives, of the binary and of the Python version.
    folders: [&'static str; 2],
    /// The files by which a folder of the binary and one of the Python version are recognised.
    marks: [&'static [&'static str]; 2],
    /// The official archives.
    archives: [&'static str; 2],
    /// The files of train and of val; those of the binary version have `.bin` at the end.
    train: &'static [&'static str],
    val: &'static [&'static str],
    /// Bytes of labels before the planes in the binary version; the last of them is used.
    labels: usize,
    /// The key of the labels in the Python version.
    labels_key: &'static str,
    classes: usize,
    /// The file with the names of the classes, in both versions, and its key in the latter.
    names: [&'static str; 2],
    names_key: &'static str,
    /// The official names, separated by spaces, for an input without that file.
    known_names: &'static str,
}

const TEN: Kind = Kind {
    name: "CIFAR-10",
    folders: ["cifar-10-batches-bin", "cifar-10-batches-py"],
    marks: [&["data_batch_1.bin"], &["data_batch_1", "batches.meta"]],
    archives: ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"],
    train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
    val: &["test_batch"],
    labels: 1,
    labels_key: "labels",
    classes: 10,
    names: ["batches.meta.txt", "batches.meta"],
    names_key: "label_names",
    known_names: "airplane automobile bird cat deer dog frog horse ship truck",
};

const HUNDRED: Kind = Kind {
    name: "CIFAR-100",
    folders: ["cifar-100-binary", "cifar-100-python"],
    marks: [&["train.bin", "test.bin"], &["train", "test", "meta"]],
    archives: ["cifar-100-binary.tar.gz", "cifar-100-python.tar.gz"],
    train: &["train"],
    val: &["test"],
    labels: 2,
    labels_key: "fine_labels",
    classes: 100,
    names: ["fine_label_names.txt", "meta"],
    names_key: "fine_label_names",
    known_names: "",
};

impl Kind {
    fn recognise(&self, candidate: &Candidate) -> bool {
        let packed = |name: &String| {
            let top = name.split('/').next().unwrap_or_default();
            self.folders.contains(&top)
        };
        self.marks.iter().any(|marks| marks.iter().all(|name| candidate.has_file(name)))
            || self.folders.iter().any(|name| candidate.has_folder(name))
            || self.archives.iter().any(|name| candidate.has_file(name))
            || candidate.packed.iter().any(packed)
    }
}

/// A file of a split.
struct Batch {
    /// Its name in the report.
    name: String,
    planes: Planes,
}

/// The files of a split.
struct Batches {
    kind: &'static Kind,
    files: Vec<Batch>,
    /// The file and the record of every image.
    locations: Vec<(usize, usize)>,
}

impl Images for Batches {
    fn len(&self) -> usize {
        self.locations.len()
    }

    fn label(&self, i: usize) -> u32 {
        let (file, record) = self.locations[i];
        self.files[file].planes.label(record)
    }

    fn name(&self, i: usize) -> String {
        let (file, record) = self.locations[i];
        format!("{}#{record}", self.files[file].name)
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, LoadError> {
        let (file, record) = self.locations[i];
        let (label, planes) = (self.label(i), &self.files[file].planes);
        if label as usize >= self.kind.classes {
            let highest = self.kind.classes - 1;
            return Err(LoadError::Image(format!("label {label}, expected 0 to {highest}")));
        }
        let value = |p: usize, c: usize| planes.value(record, c * PLANE + p);
        let data = (0..PLANE).flat_map(|p| [0, 1, 2].map(|c| value(p, c))).collect();
        let pixels = Pixels::new(SIDE, SIDE, data);
        decoder.resize(pixels).map_err(|e| LoadError::Image(e.to_string()))
    }
}

/// Lists the files in `input`, in the archive's folder inside it, or in the archive.
fn list(input: &Path, kind: &'static Kind, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let root = Root::open(&official(input, &kind.folders, &kind.archives), scan)?;
    let binary = root.read(&format!("{}.bin", kind.val[0]), MAX_FILE)?.is_some();
    let names = kind.names[usize::from(!binary)];
    let classes = match root.read(names, MAX_FILE)? {
        Some(text) if binary => {
            let text = String::from_utf8_lossy(&text);
            let path = root.path().join(names);
            classes_named(text.lines(), &path, kind.classes..=kind.classes)?
        }
        Some(pickle) => {
            let path = root.path().join(names);
            let names = texts(&pickle, kind.names_key).map_err(|e| wrong(&path, &e))?;
            classes_named(names.iter().map(String::as_str), &path, kind.classes..=kind.classes)?
        }
        None if kind.known_names.is_empty() => return Err(missing(&root, names, kind)),
        None => kind.known_names.split(' ').map(Class::named).collect(),
    };
    scan.add(Stage::Train, open(&root, kind, kind.train, binary)?);
    scan.add(Stage::Val, open(&root, kind, kind.val, binary)?);
    Ok(classes)
}

fn open(root: &Root, kind: &'static Kind, names: &[&str], binary: bool) -> Result<Batches> {
    let mut batches = Batches { kind, files: Vec::new(), locations: Vec::new() };
    for (file, name) in names.iter().enumerate() {
        let name = if binary { format!("{name}.bin") } else { (*name).to_owned() };
        let bytes = root.read(&name, MAX_FILE)?.ok_or_else(|| missing(root, &name, kind))?;
        let planes = match binary {
            true => Planes::binary(bytes, kind.labels),
            false => Planes::python(bytes, kind.labels_key),
        };
        let planes = planes.map_err(|problem| wrong(&root.path().join(&name), &problem))?;
        batches.locations.extend((0..planes.len()).map(|record| (file, record)));
        batches.files.push(Batch { name, planes });
    }
    Ok(batches)
}

fn wrong(path: &Path, problem: &str) -> Error {
    Error::source(path, format!("{problem}: download it again"))
}

fn missing(root: &Root, name: &str, kind: &Kind) -> Error {
    let Kind { name: dataset, archives: [binary, python], .. } = kind;
    let expected = format!("expected the files of {dataset} as in {binary} or {python}");
    Error::source(root.path(), format!("holds no {name}; {expected}"))
}
