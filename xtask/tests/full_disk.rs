//! A disk that is really full: a clear error, what is whole stays, and with room it goes on to the same bytes.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout)] // a test that is skipped says so

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A CIFAR-10 folder: the source that needs no pictures.
fn input(dir: &Path) {
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]
        .into_iter()
        .chain(["test_batch"])
    {
        let record = |r: usize| {
            std::iter::once((r % 10) as u8).chain((0..3072).map(move |i| (i * (r + 3) / 7) as u8))
        };
        fs::write(dir.join(format!("{name}.bin")), (0..100).flat_map(record).collect::<Vec<_>>())
            .unwrap();
    }
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries.map(|p| (p.clone(), fs::read(&p).unwrap())).collect();
    files.iter_mut().for_each(|(p, _)| *p = p.file_name().unwrap().into());
    files.sort();
    files
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["in", "disk", "kept"] {
        fs::create_dir(at(folder)).unwrap();
    }
    input(&at("in"));
    let program = env!("CARGO_BIN_EXE_xtask");
    let prepare = "prepare-data --quiet --source cifar10 --shard-records 50 --threads 2 --input in";
    // A file system in memory, of 700 kB, seen by this one shell; then with more room.
    let script = format!(
        "mount -t tmpfs -o size=700k none disk || exit 77
         {program} {prepare} --output disk/out 2>message && exit 1
         ls -A disk/out >left
         mount -o remount,size=64m disk || exit 2
         {program} {prepare} --output disk/out && cp -a disk/out/. kept/"
    );
    let shell = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(dir.path())
        .output();
    let output = match shell {
        Ok(output) if at("message").exists() => output,
        _ => return println!("skipped: this user may not mount a file system of its own"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let message = fs::read_to_string(at("message")).unwrap();
    assert!(message.contains("space") && message.contains("disk/out"), "{message}");
    let left = fs::read_to_string(at("left")).unwrap();
    let shards = left.lines().filter(|name| name.ends_with(".done")).count();
    assert!(shards >= 2 && !left.contains(".partial"), "{left}");
    let status = Command::new(program)
        .args(prepare.split(' '))
        .args(["--output", "whole"])
        .current_dir(dir.path())
        .status();
    assert!(status.unwrap().success());
    assert!(contents(&at("kept")) == contents(&at("whole")));
}
