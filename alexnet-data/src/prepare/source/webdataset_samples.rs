//! The samples of one tar of a WebDataset: which image belongs to which label.

use super::archive::Archive;
use super::entries::FIRST_BYTES;
use super::names::{IMAGE_EXTENSIONS, file_name, is_junk};
use super::tar::{self, Member};
use crate::decode::kind::Kind;
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

/// The endings of files that hold the label.
const LABELS: [&str; 2] = [".cls", ".cls.txt"];

/// The content of a tar.
#[derive(Default)]
pub(super) struct Samples {
    /// Each image with its label, in the order of the keys.
    pub(super) pairs: Vec<(Member, Member)>,
    /// The keys and the files that are not taken, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
    /// How many files are neither image nor label, of samples with both, or of no sample.
    pub(super) ignored: u64,
}

/// What a file of a sample is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Image,
    Label,
    Other,
}

/// The files of one key.
#[derive(Default)]
struct Files {
    images: Vec<Member>,
    labels: Vec<Member>,
}

/// The samples of a tar.
///
/// Files of one sample have one name with different endings. Its key is the name before the ending,
/// so that it may have dots in it: `img_1.5.png` belongs to `img_1.5.cls`. Where there is no such
/// file, the key ends at the first dot, as WebDataset has it: `7.photo.jpg` belongs to `7.cls`.
pub(super) fn samples(archive: &Archive) -> Result<Samples> {
    let (mut found, mut by_key) = (Samples::default(), BTreeMap::<String, Files>::new());
    let mut others = BTreeSet::new();
    let content = tar::read(archive, 0, archive.length)?;
    found.left_out.extend(content.left_out);
    for member in content.members {
        if member.name.split('/').any(|name| is_junk(OsStr::new(name))) {
            found.ignored += 1;
            continue;
        }
        let (key, part) = key_and_part(archive, &member)?;
        match part {
            Part::Image => by_key.entry(key).or_default().images.push(member),
            Part::Label => by_key.entry(key).or_default().labels.push(member),
            Part::Other => {
                found.ignored += 1;
                others.insert(key);
            }
        }
    }
    by_key.keys().for_each(|key| _ = others.remove(short_key(key)));
    let no_sample = others.into_iter().map(|key| (key, "neither an image nor a label".to_owned()));
    found.left_out.extend(no_sample);
    pair_by_short_keys(&mut by_key, &mut found);
    for (key, mut files) in by_key {
        // The last one is taken, as when a tar that has a file twice is unpacked.
        let (image, label) = (files.images.pop(), files.labels.pop());
        for other in files.images {
            let reason = "another image of its sample is taken".to_owned();
            found.left_out.push((other.name.into(), reason));
        }
        match (image, label) {
            (Some(image), Some(label)) => found.pairs.push((image, label)),
            (None, Some(_)) => found.left_out.push((key, "a label without an image".into())),
            (Some(_), None) => {
                found.left_out.push((key, "an image without a label (.cls)".into()));
            }
            (None, None) => {}
        }
    }
    Ok(found)
}

/// The key of a file and what it is, by its ending or by its first bytes.
fn key_and_part(archive: &Archive, member: &Member) -> Result<(String, Part)> {
    let path = &*member.name;
    let name = path.to_ascii_lowercase();
    if let Some(ending) = LABELS.iter().find(|ending| name.ends_with(**ending)) {
        return Ok((path[..path.len() - ending.len()].into(), Part::Label));
    }
    let ending = file_name(&name).rfind('.').map(|dot| &file_name(&name)[dot..]).unwrap_or("");
    let key = path[..path.len() - ending.len()].to_owned();
    let is_image = IMAGE_EXTENSIONS.contains(&ending.trim_start_matches('.'));
    let mut start = vec![0; FIRST_BYTES.min(member.length as usize)];
    if !is_image {
        archive.read_at(&mut start, member.offset)?;
    }
    if is_image || Kind::of(&start).is_some() {
        return Ok((key, Part::Image));
    }
    Ok((short_key(path).into(), Part::Other))
}

/// The key that ends at the first dot of the file's name.
fn short_key(path: &str) -> &str {
    let name = path.len() - file_name(path).len();
    path[name..].find('.').map_or(path, |dot| &path[..name + dot])
}

/// Pairs an image with a label whose keys differ, where one of the two is the other one's short
/// key, and no third file could be meant.
fn pair_by_short_keys(by_key: &mut BTreeMap<String, Files>, found: &mut Samples) {
    let mut lone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, files) in &*by_key {
        if files.images.is_empty() || files.labels.is_empty() {
            lone.entry(short_key(key).into()).or_default().push(key.clone());
        }
    }
    for (short, keys) in lone {
        if keys.len() < 2 || !keys.contains(&short) {
            continue;
        }
        let own = |key: &String| by_key.get(key).is_some_and(|files| !files.images.is_empty());
        let (images, labels): (Vec<_>, Vec<_>) = keys.into_iter().partition(own);
        let files_of = |by_key: &mut BTreeMap<String, Files>, key: &str| {
            by_key.remove(key).unwrap_or_default()
        };
        match (&images[..], &labels[..]) {
            ([image], [label]) => {
                let labels = files_of(by_key, label).labels;
                by_key.entry(image.clone()).or_default().labels.extend(labels);
            }
            ([_, _, ..], [label]) if *label == short => {
                files_of(by_key, label);
                for image in images.iter().flat_map(|key| files_of(by_key, key).images) {
                    let reason = "its sample has several images and one label".to_owned();
                    found.left_out.push((image.name.into(), reason));
                }
            }
            _ => {}
        }
    }
}
