//! ILSVRC 2012 from Kaggle: a train tree, a flat val folder and two tables, unpacked or packed.

use super::kaggle_tables::{CLASSES, IMAGES, SOLUTION, Tables};
use super::listing::{Format, Scan};
use super::names::file_name;
use super::root::{Root, official};
use super::table_val::Layout;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::Action;
use std::path::Path;

pub(super) const FORMAT: Format = Format {
    name: "kaggle",
    default_size: 256,
    recognise: |candidate| {
        let path = candidate.path;
        let packed = |name: &String| {
            name.contains("ILSVRC/") && name.contains("/CLS-LOC/")
                || [CLASSES, SOLUTION, TAR_GZ].contains(&file_name(name))
        };
        candidate.has_file(CLASSES)
            || candidate.has_file(ZIP)
            || path.join(IMAGES).is_dir()
            || check_unpacked(path).is_err()
            || candidate.packed.iter().any(packed)
    },
    list: |input, _, scan| list(input, scan),
};

/// The name of the zip at Kaggle.
const ZIP: &str = "imagenet-object-localization-challenge.zip";
/// The images as one tar.gz of 155 GB, inside the zip or beside the tables: too large to inflate it
/// on the way.
const TAR_GZ: &str = "imagenet_object_localization_patched2019.tar.gz";
/// The most bytes of a table; the real ones have a few million.
const MAX_TABLE: u64 = 1 << 26;

/// Refuses a folder whose images are one tar.gz, and says how to unpack it.
fn check_unpacked(input: &Path) -> Result<()> {
    if input.join(TAR_GZ).is_file() && !input.join(IMAGES).is_dir() {
        return Err(unpack(input, &format!("cd {} && tar xzf {TAR_GZ}", input.display())));
    }
    Ok(())
}

fn unpack(path: &Path, how: &str) -> Error {
    let problem = format!(
        "holds its images as {TAR_GZ}, which cannot be read in place: unpack it once (`{how}`), \
         and give the folder"
    );
    Error::source(path, problem)
}

fn list(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let input = match input.join(IMAGES).is_dir() {
        true => input.into(),
        false => official(input, &[], &[ZIP]),
    };
    check_unpacked(&input)?;
    let root = Root::open(&input, scan)?;
    if let Root::Packed(tree) = &root {
        let has = |part: &str| tree.files.iter().any(|file| file.path().contains(part));
        if has(TAR_GZ) && !has(IMAGES) {
            return Err(unpack(&input, &format!("unzip {} && tar xzf {TAR_GZ}", input.display())));
        }
    }
    let tables = Tables::read(&input, |name| {
        let missing =
            || format!("holds no {name}; expected it beside the folder {IMAGES}, as at Kaggle");
        root.read(name, MAX_TABLE)?.ok_or_else(|| Error::source(&input, missing()))
    })?;
    let (train, val) = (format!("{IMAGES}/train"), format!("{IMAGES}/val"));
    let tree = input.join(&train);
    let layout = Layout {
        train: &train,
        val: &val,
        label_of_folder: &|folder| tables.label_of_folder(folder, &tree),
        label_of_val: &|name| tables.label_of_val(Path::new(name)),
        table: SOLUTION,
    };
    let test = format!("{IMAGES}/test");
    if root.has_folder(&test) {
        scan.note("test", &test, Action::Unlabelled, "its labels were never released");
    }
    let found = layout.add(root, scan)?;
    tables.note_missing_val(found, scan);
    Ok(tables.classes)
}
