//! The rules of the house that a program can check: who may import whom, versions, what a file
//! opens with.

mod modules;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Value {
    // Only this machine's packages: others' were never fetched, and the tests need no network.
    let host = Command::new("rustc").arg("-vV").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> &Vec<Value> {
    metadata["packages"].as_array().unwrap()
}

/// The names of the workspace's crates. Their folders have the same names.
fn tidy_crates() -> Vec<String> {
    let metadata = metadata();
    ours(&metadata).map(|p| p["name"].as_str().unwrap().to_owned()).collect()
}

fn ours(metadata: &Value) -> impl Iterator<Item = &Value> {
    packages(metadata).iter().filter(|p| p["source"].is_null())
}

/// Names of a package's dependencies of one kind: `Value::Null` for ordinary ones.
fn dependencies(package: &Value) -> Vec<&str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap()).collect()
}

#[test]
fn crates_import_only_whom_they_may() {
    let may = BTreeMap::from([
        ("alexnet-data", vec![]),
        ("alexnet-kernels", vec![]),
        ("alexnet-model", vec!["alexnet-kernels"]),
        ("alexnet-train", vec!["alexnet-data", "alexnet-kernels", "alexnet-model"]),
        ("alexnet-cli", vec!["alexnet-data", "alexnet-model", "alexnet-train"]),
        ("xtask", vec![]),
    ]);
    let metadata = metadata();
    assert_eq!(ours(&metadata).count(), may.len());
    for package in ours(&metadata) {
        let name = package["name"].as_str().unwrap();
        for dependency in dependencies(package) {
            let of_house = dependency.starts_with("alexnet-");
            assert!(!of_house || may[name].contains(&dependency), "{name} imports {dependency}");
            let forbidden: &[&str] = match name {
                "alexnet-data" => &["candle-core", "candle-nn", "anyhow", "indicatif", "clap"],
                "alexnet-cli" | "xtask" => &[],
                _ => &["anyhow", "indicatif", "clap"],
            };
            assert!(!forbidden.contains(&dependency), "{name} imports {dependency}");
        }
    }
}

#[test]
fn rust_version_is_that_of_the_newest_dependency() {
    let number = |v: &str| -> Vec<u64> {
        let mut parts: Vec<u64> = v.split('.').map(|n| n.parse().unwrap()).collect();
        parts.resize(3, 0);
        parts
    };
    let metadata = metadata();
    let stated = |p: &&Value| p["rust_version"].as_str().map(number);
    let others = packages(&metadata).iter().filter(|p| !p["source"].is_null());
    let need = others.filter_map(|p| stated(&p)).max().unwrap();
    for package in ours(&metadata) {
        let have = stated(&package).unwrap();
        assert!(
            have >= need,
            "{}: rust-version {have:?}, dependencies need {need:?}",
            package["name"]
        );
    }
}

#[test]
fn crates_could_be_published_alone() {
    for package in ours(&metadata()) {
        let name = package["name"].as_str().unwrap();
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        assert!(
            package["description"].as_str().is_some_and(|d| d.len() > 20),
            "{name}: description"
        );
        if name != "xtask" {
            let keywords = package["keywords"].as_array().unwrap().len();
            assert!((1..=5).contains(&keywords), "{name}: {keywords} keywords");
            assert!(root().join(name).join("README.md").exists(), "{name}: README.md");
        }
    }
}

/// The sources in a folder and those below it.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        // Data and runs of whoever works here lie beside the crates.
        let made = ["data", "runs"].iter().any(|made| path == root().join(made));
        let skipped = made || name == "target" || name.starts_with('.');
        if path.is_dir() && !skipped {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| ["rs", "cu", "cuh"].iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_reads_in_a_sitting() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 40, "only {} files found", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let first = text.lines().next().unwrap_or_default();
        let opens = ["//! ", "// ", "#![doc = include_str!("].iter().any(|s| first.starts_with(s));
        assert!(opens, "{name} opens with `{first}`");
        let lines = text.lines().count();
        assert!(lines <= 400, "{name}: {lines} lines");
        let long = text.lines().position(|line| line.chars().count() > 100);
        assert!(long.is_none(), "{name}:{}: over 100 characters", long.unwrap_or_default() + 1);
    }
}

#[test]
fn the_architecture_names_every_crate_with_an_invariant() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sections: Vec<&str> = text.split("\n### ").skip(1).collect();
    for package in ours(&metadata()) {
        let name = package["name"].as_str().unwrap();
        let heading =
            |s: &&&str| s.lines().next().is_some_and(|h| h.split(", ").any(|n| n == name));
        let section = sections.iter().find(heading).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(section.contains("**Invariant:**"), "{name} has no invariant");
    }
}

/// A library that is found when a GPU is opened is found by the first call of its functions.
#[test]
fn bundles_try_every_file_that_a_library_may_be() {
    let quoted = |file: &str, before: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let begin = format!("{before}\"lib");
        let parts = text.split(&begin).skip(1);
        parts.filter_map(|part| Some(format!("lib{}", part.split_once('"')?.0))).collect()
    };
    let tried = quoted("xtask/src/cuda/lazy.rs", "");
    let checked = quoted("alexnet-kernels/src/cuda/driver.rs", "c");
    assert!(checked.len() > 5, "{checked:?}");
    for file in checked {
        assert!(tried.contains(&file), "{file} is not tried by a bundle");
    }
}
