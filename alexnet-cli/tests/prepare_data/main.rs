//! `alexnet prepare-data` as people and schedulers run it: its options, kills, a full disk.
#![allow(clippy::print_stdout)] // a test that is skipped says so

mod arguments;
#[cfg(target_os = "linux")]
mod few_handles;
mod full_disk;
#[cfg(unix)]
mod interrupt;
#[cfg(unix)]
mod kill;
mod options;
#[path = "../../src/prepare_data/part.rs"]
mod part;
#[path = "../../src/prepare_data/size.rs"]
mod size;
mod summary;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The command without any options.
fn prepare_data() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.arg("prepare-data");
    command
}

/// Writes a CIFAR-10 folder, the source that needs no pictures: so many records in each of its six
/// files, each its own picture. The label of every 50th is none of the ten.
fn cifar(folder: &Path, records: usize) {
    for file in 0..6 {
        let record = |r: usize| {
            let label = if r % 50 == 49 { 10 } else { (r % 10) as u8 };
            let wave = move |i: usize| ((i % 32 * (r + 1) + file) as f64 / 9.0).sin();
            std::iter::once(label).chain((0..3072).map(move |i| (128.0 + 99.0 * wave(i)) as u8))
        };
        let name = if file < 5 { format!("data_batch_{}", file + 1) } else { "test_batch".into() };
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        fs::write(folder.join(format!("{name}.bin")), bytes).unwrap();
    }
}

/// The names and bytes of all files of a folder.
fn contents(folder: &Path) -> Vec<(OsString, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    let mut files: Vec<_> = entries.map(|e| (e.file_name(), fs::read(e.path()).unwrap())).collect();
    files.sort();
    files
}
