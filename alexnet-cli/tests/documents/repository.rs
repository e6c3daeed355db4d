//! The files and folders of the repository, and whether a word of a document names one.
//!
//! A word is a path when it has a `/` or ends as a source file does, and it must then be the end of
//! a path of the repository. `*` stands for any letters, `{a,b}` for a and for b. From a name in
//! capitals or in `<>` on, a path is the reader's, and so is everything that commands make.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the commands of the documents put what they make.
const MADE: [&str; 6] = ["data/", "runs/", "target/", "results/", "fuzz/found/", "peers/bin/"];

/// How files end that are looked for wherever they lie.
const SOURCES: [&str; 7] = [".rs", ".cu", ".cuh", ".py", ".sh", ".md", ".toml"];

/// Every file and folder, relative to the root, with `/` between names.
pub(crate) struct Repository {
    root: PathBuf,
    paths: BTreeSet<String>,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut paths = BTreeSet::new();
        list(&root, "", &mut paths);
        Self { root, paths }
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.paths.iter()
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// The paths that end with `path`.
    pub(crate) fn ending_with(&self, path: &str) -> impl Iterator<Item = &String> {
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.paths.iter().filter(move |known| {
            let mut known = known.rsplit('/');
            parts.iter().rev().all(|part| known.next().is_some_and(|name| is_like(name, part)))
        })
    }

    pub(crate) fn link(&self, folder: &str, target: &str) -> Result<(), String> {
        let file = target.split('#').next().unwrap_or_default();
        let found = file.contains("://") || self.root.join(folder).join(file).exists();
        found.then_some(()).ok_or_else(|| format!("no file for the link `{target}`"))
    }

    /// Whether `word`, if it is a path, exists. Arguments of a program are looked for only where
    /// they begin at the repository's root.
    pub(crate) fn path(&self, word: &str, is_argument: bool) -> Result<(), String> {
        let word = word.trim_end_matches('/');
        let first = word.split('/').next().unwrap_or_default();
        if !is_path(word) || is_argument && !self.paths.contains(first) {
            return Ok(());
        }
        let found = alternatives(word).iter().all(|path| {
            let ours: Vec<&str> =
                path.split('/').take_while(|name| !is_placeholder(name)).collect();
            self.ending_with(&ours.join("/")).next().is_some()
        });
        found.then_some(()).ok_or_else(|| format!("no such path: `{word}`"))
    }
}

fn list(root: &Path, folder: &str, paths: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let is_made = folder.is_empty() && MADE.contains(&format!("{name}/").as_str());
        if is_made || name.starts_with("target") || name == ".git" {
            continue;
        }
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.path().is_dir() {
            list(root, &path, paths);
        }
        paths.insert(path);
    }
}

fn is_path(word: &str) -> bool {
    let is_source = SOURCES.iter().any(|end| word.len() > end.len() && word.ends_with(end));
    word.chars().all(|c| c.is_ascii_alphanumeric() || "._-*<>{},/".contains(c))
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || ".*<{".contains(c))
        && (word.contains('/') || is_source)
        && !MADE.iter().any(|made| word.starts_with(made) || *made == format!("{word}/"))
}

/// A name that the reader puts in: in `<>`, or in capitals and without a dot.
fn is_placeholder(name: &str) -> bool {
    let letters = name.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let in_capitals = letters.len() > 1 && letters.chars().all(|c| c.is_ascii_uppercase());
    name.contains('<') || in_capitals && !name.contains('.')
}

/// `a/{b,c}` as `a/b` and `a/c`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    inside.split(',').flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}

/// Whether a name is what a pattern says, where `*` stands for any letters.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return name == pattern };
    let rest = name.strip_prefix(before);
    rest.is_some_and(|rest| {
        let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        ends.into_iter().any(|at| is_like(&rest[at..], after))
    })
}
