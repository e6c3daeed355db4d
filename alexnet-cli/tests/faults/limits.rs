//! `verify` where the system refuses to read: not damage, and nothing is made again.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use alexnet_data::Error;

use crate::{TRAIN, World};

/// 64 GiB of a sparse file cannot be mapped into 16 GiB of addresses.
#[test]
fn no_memory() {
    let world = World::new();
    let shard = world.path("data/train-00000.shard");
    let length = fs::metadata(&shard).unwrap().len();
    let set_length =
        |length| File::options().write(true).open(&shard).unwrap().set_len(length).unwrap();
    set_length(64 << 30);
    let inode = fs::metadata(&shard).unwrap().ino();
    for repair in ["", " --repair --input images"] {
        let verify = world.limited("-v 16777216", &format!("verify data{repair}"));
        let words = ["data was not checked to its end", "train-00000.shard", "os error 12"];
        world.fails(verify, 3, &words);
    }
    assert_eq!(fs::metadata(&shard).unwrap().ino(), inode, "it was made again");
    // With enough memory the length is a fault, and proven.
    world.fails(world.alexnet("verify data"), 1, &["data has 1 fault"]);
    set_length(length);
    crate::ok(&mut world.alexnet("verify data"));
}

/// A dataset of more shards than files may be open: only half of them stay open.
#[test]
fn few_open_files() {
    let world = World::new();
    fs::remove_dir_all(world.path("data")).unwrap();
    crate::ok(&mut world.alexnet(
        "prepare-data --source folder --input images --output data --size 20 --shard-records 1",
    ));
    crate::ok(&mut world.limited("-n 40", &format!("{TRAIN} run")));
}

/// A folder that is not there cannot be checked.
#[test]
fn no_folder() {
    let world = World::new();
    world.fails(world.alexnet("verify nowhere"), 3, &["nowhere", "os error 2"]);
}

/// A missing shard is damage; a link, a folder and a named pipe in its place are damage that
/// repair does not replace.
#[test]
fn what_is_not_there_is_damage() {
    let world = World::new();
    let shard = world.path("data/val-00000.shard");
    let whole = fs::read(&shard).unwrap();
    fs::remove_file(&shard).unwrap();
    world.fails(world.alexnet("verify data"), 1, &["data has 1 fault"]);
    crate::ok(&mut world.alexnet("verify data --repair --input images"));
    assert!(fs::read(&shard).unwrap() == whole);

    let repair = || world.alexnet("verify data --repair --input images");
    fs::remove_file(&shard).unwrap();
    std::os::unix::fs::symlink("nowhere", &shard).unwrap();
    world.fails(repair(), 3, &["val-00000.shard", "symbolic link"]);
    fs::remove_file(&shard).unwrap();
    fs::create_dir(&shard).unwrap();
    world.fails(world.alexnet("verify data"), 1, &["data has 1 fault"]);
    world.fails(repair(), 3, &["val-00000.shard", "folder"]);
    fs::remove_dir(&shard).unwrap();
    crate::places::named_pipe(&shard);
    world.fails(world.alexnet("verify data"), 1, &["data has 1 fault"]);
    world.fails(repair(), 3, &["val-00000.shard", "named pipe"]);
    assert!(!fs::metadata(&shard).unwrap().is_file());
}

/// Which errors of the system say nothing about what lies on disk.
#[test]
fn refusals() {
    let of = |code| {
        let source = std::io::Error::from_raw_os_error(code);
        Error::Io { action: "open", path: "data/train-00000.shard".into(), source }.is_refusal()
    };
    // EPERM, EIO, ENOMEM, EACCES, ENFILE, EMFILE, ESTALE
    for code in [1, 5, 12, 13, 23, 24, 116] {
        assert!(of(code), "{code}");
    }
    assert!(!of(2), "ENOENT");
    assert!(!Error::NotADataset("data".into()).is_refusal());
}
