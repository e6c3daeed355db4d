//! Tiny ImageNet as downloaded: a train tree, and val images with a table of their classes.

use super::listing::{Format, Scan};
use super::root::{Root, official};
use super::table_val::Layout;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::Action;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

pub(super) const FORMAT: Format = Format {
    name: "tiny-imagenet",
    default_size: 64,
    recognise: |candidate| {
        candidate.path.join(ANNOTATIONS).is_file()
            || candidate.has_folder(FOLDER)
            || candidate.has_file(ZIP)
            || candidate
                .packed
                .iter()
                .any(|name| name.ends_with(ANNOTATIONS) || name.split('/').next() == Some(FOLDER))
    },
    list: |input, _, scan| list(input, scan),
};

/// The folder inside the official zip.
const FOLDER: &str = "tiny-imagenet-200";
const ZIP: &str = "tiny-imagenet-200.zip";
/// The table of the val images: a name, its class and a box, separated by tabs.
const ANNOTATIONS: &str = "val/val_annotations.txt";
/// The WordNet ids of the classes, one a line.
const IDS: &str = "wnids.txt";
/// The words of all synsets of WordNet: an id, a tab, the words.
const WORDS: &str = "words.txt";
/// The most bytes of a table; the real ones have up to 2.7 million.
const MAX_TABLE: u64 = 1 << 26;

fn list(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<Class>> {
    let input = official(input, &[FOLDER], &[ZIP]);
    let root = Root::open(&input, scan)?;
    let read = |name| root.read(name, MAX_TABLE).map(|bytes| bytes.map(text));
    let Some(table) = read(ANNOTATIONS)? else {
        let expected = format!("expected it as in {ZIP}");
        return Err(Error::source(&input, format!("holds no {ANNOTATIONS}; {expected}")));
    };
    let rows: Vec<_> = table.lines().filter(|line| !line.trim().is_empty()).collect();
    let rows = rows.into_iter().map(row).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let problem = "has a line without an image and its class; expected both, then a tab";
        Error::source(input.join(ANNOTATIONS), problem)
    })?;
    // Without the list of the classes, every class has a val image.
    let ids: BTreeSet<String> = match read(IDS)? {
        Some(ids) => ids.split_whitespace().map(str::to_owned).collect(),
        None => rows.iter().map(|(_, id)| id.to_string()).collect(),
    };
    let labels: HashMap<&str, u32> = ids.iter().map(String::as_str).zip(0..).collect();
    let label = |id: &str, of: &str| {
        let unknown = format!("names the class {id:?}, which {IDS} does not list");
        labels.get(id).copied().ok_or_else(|| Error::source(input.join(of), unknown))
    };
    let mut val = HashMap::new();
    for (name, id) in &rows {
        val.insert(*name, label(id, ANNOTATIONS)?);
    }
    let words = read(WORDS)?.unwrap_or_default();
    let words: HashMap<_, _> = words.lines().filter_map(|line| line.split_once('\t')).collect();
    let class = |id: &String| {
        let words = words.get(id.as_str()).map(|words| words.trim().to_owned());
        Class { words, ..Class::named(id) }
    };
    let layout = Layout {
        train: "train",
        val: "val",
        label_of_folder: &|folder| label(folder, "train"),
        label_of_val: &|name| val.get(name).copied(),
        table: ANNOTATIONS,
    };
    if root.has_folder("test") {
        scan.note("test", "test", Action::Unlabelled, "its labels were never released");
    }
    let found = layout.add(root, scan)?;
    if found < val.len() {
        let reason = format!("{} of its images are not there", val.len() - found);
        scan.note("val", ANNOTATIONS, Action::Noted, &reason);
    }
    Ok(ids.iter().map(class).collect())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The image and the class of a line of the table.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split_whitespace();
    Some((fields.next()?, fields.next()?))
}
