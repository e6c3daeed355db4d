//! A disk that is really full: a clear error, what is whole stays, and with room the same command
//! goes on to the same bytes.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use crate::{cifar, contents, prepare_data};

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["in", "disk", "kept"] {
        fs::create_dir(at(folder)).unwrap();
    }
    cifar(&at("in"), 100);
    let options = "--quiet --source cifar10 --shard-records 50 --threads 2 --input in --output";
    let prepare = format!("{} prepare-data {options}", env!("CARGO_BIN_EXE_alexnet"));
    // A file system in memory, of 700 kB, seen by this one shell; then with more room.
    let script = format!(
        "mount -t tmpfs -o size=700k none disk || exit 77
         {prepare} disk/out 2>message && exit 1
         ls -A disk/out >left
         mount -o remount,size=64m disk || exit 2
         {prepare} disk/out && cp -a disk/out/. kept/"
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
    let mut whole = prepare_data();
    whole.args(options.split(' ')).arg("whole").current_dir(dir.path());
    assert!(whole.status().unwrap().success());
    assert!(contents(&at("kept")) == contents(&at("whole")));
}
