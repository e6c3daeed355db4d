//! The CIFAR-10 source: the official binary files.
//!
//! Each is a row of records of 3073 bytes: a label, then the red, the green and the blue plane of a
//! 32 × 32 image, row by row. `data_batch_1.bin` … `data_batch_5.bin` are train, `test_batch.bin` is val.

use super::{Images, Listing, Stage};
use crate::map::map;
use crate::{Class, Error, Pixels};
use memmap2::Mmap;
use std::path::{Path, PathBuf};

/// The side of its images.
pub(super) const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;
/// The folder inside the official archive.
const FOLDER: &str = "cifar-10-batches-bin";
/// The official names, for when `batches.meta.txt` is not there.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Some of the files, mapped.
struct Batches {
    files: Vec<(String, Mmap)>,
    /// File and record of every image.
    places: Vec<(usize, usize)>,
}

impl Batches {
    fn record(&self, i: usize) -> &[u8] {
        let (file, record) = self.places[i];
        &self.files[file].1[record * RECORD..][..RECORD]
    }
}

impl Images for Batches {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.record(i)[0].into()
    }

    fn name(&self, i: usize) -> String {
        let (file, record) = self.places[i];
        format!("{}#{record}", self.files[file].0)
    }

    fn load(&self, i: usize, _size: usize) -> Result<Pixels, String> {
        let (label, planes) = (self.record(i)[0], &self.record(i)[1..]);
        if usize::from(label) >= CLASSES.len() {
            return Err(format!("label {label}, expected 0 to 9"));
        }
        let data = (0..PLANE).flat_map(|p| [0, 1, 2].map(|c| planes[c * PLANE + p])).collect();
        Ok(Pixels { height: SIDE, width: SIDE, data, damage: None })
    }
}

/// Lists the files in `input`, or in the archive's folder inside it.
pub(super) fn list(input: &Path) -> Result<Listing, Error> {
    std::fs::metadata(input).map_err(Error::io("read", input))?;
    let inner = input.join(FOLDER);
    let dir = if inner.is_dir() { inner } else { input.to_path_buf() };
    let train: Vec<_> = (1..=5).map(|n| format!("data_batch_{n}.bin")).collect();
    Ok(Listing {
        classes: classes(&dir)?,
        splits: vec![
            (Stage::Train, Box::new(open(&dir, &train)?)),
            (Stage::Val, Box::new(open(&dir, &["test_batch.bin".to_owned()])?)),
        ],
        ignored: 0,
        odd: Vec::new(),
    })
}

fn open(dir: &Path, names: &[String]) -> Result<Batches, Error> {
    let mut batches = Batches { files: Vec::new(), places: Vec::new() };
    for name in names {
        let path = dir.join(name);
        if !path.is_file() {
            let problem = format!(
                "holds no {name}; expected data_batch_1.bin to data_batch_5.bin and test_batch.bin, \
                 as in the binary version of CIFAR-10"
            );
            return Err(Error::Source { path: dir.into(), problem });
        }
        check_length(&path)?;
        let map = map(&path)?;
        let file = batches.files.len();
        batches.places.extend((0..map.len() / RECORD).map(|record| (file, record)));
        batches.files.push((name.clone(), map));
    }
    Ok(batches)
}

fn check_length(path: &PathBuf) -> Result<(), Error> {
    let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if length > 0 && length % RECORD as u64 == 0 {
        return Ok(());
    }
    let problem = format!(
        "has {length} bytes; expected a multiple of {RECORD} (30730000 in the official file): \
         download it again"
    );
    Err(Error::Source { path: path.clone(), problem })
}

/// The class names: those of `batches.meta.txt` where it is there.
fn classes(dir: &Path) -> Result<Vec<Class>, Error> {
    let path = dir.join("batches.meta.txt");
    let class = |name: &str| Class { name: name.trim().to_owned() };
    if !path.exists() {
        return Ok(CLASSES.map(class).to_vec());
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).map(class).collect();
    let mut unique: Vec<_> = names.iter().map(|c| &c.name).collect();
    unique.sort();
    unique.dedup();
    if unique.len() != CLASSES.len() || names.len() != CLASSES.len() {
        let problem = format!("lists {} class names; expected 10 different ones", names.len());
        return Err(Error::Source { path, problem });
    }
    Ok(names)
}
