//! Places of outputs that are taken by what is no regular file, and inputs that have no end.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::{TRAIN, World};

pub(crate) fn named_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What lies there stays what it is.
#[test]
fn outputs_replace_only_regular_files() {
    let world = World::new();
    fs::create_dir(world.path("folder")).unwrap();
    named_pipe(&world.path("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap();
    fs::write(world.path("file"), "old").unwrap();
    symlink("file", world.path("link")).unwrap();
    symlink("nothing", world.path("dangling")).unwrap();
    let places = ["folder", "pipe", "socket", "link", "dangling"];
    let kinds = || places.map(|p| world.path(p).symlink_metadata().unwrap().file_type());
    let before = kinds();
    for place in places.into_iter().chain(["/dev/null", "/dev/full", ".."]) {
        for option in ["--sheet", "--mean"] {
            let inspect = world.alexnet(&format!("inspect data {option} {place}"));
            world.fails(inspect, 1, &[place, "only a regular file is replaced"]);
        }
    }
    assert_eq!(kinds(), before);
    assert_eq!(fs::read_to_string(world.path("file")).unwrap(), "old");
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    crate::ok(&mut world.alexnet("inspect data --sheet file"));
    assert!(fs::read(world.path("file")).unwrap().starts_with(b"\x89PNG"));
}

/// A run is refused before its first epoch where it could not write its files.
#[test]
fn runs_are_refused_at_once() {
    let world = World::new();
    for name in ["checkpoint.safetensors", "final.safetensors", "report.json"] {
        let run = world.path(format!("run-{name}"));
        fs::create_dir(&run).unwrap();
        symlink("/dev/null", run.join(name)).unwrap();
        let mut train = world.alexnet(TRAIN);
        train.arg(&run);
        world.fails(train, 1, &[name, "symbolic link"]);
        assert!(!run.join("run.json").exists());
    }
    let run = world.path("run");
    fs::create_dir(&run).unwrap();
    named_pipe(&run.join("log.jsonl"));
    world.fails(world.alexnet(&format!("{TRAIN} run")), 1, &["log.jsonl", "named pipe"]);
}

/// Devices, pipes and folders are no checkpoints; a device has no end for any reader.
#[test]
fn inputs_are_files() {
    let world = World::new();
    world.train("run");
    named_pipe(&world.path("pipe"));
    for (checkpoint, word) in [
        ("/dev/zero", "device"),
        ("pipe", "named pipe"),
        ("images", "folder"),
        ("nothing", "os error 2"),
    ] {
        for command in ["eval --data data", "predict images/val/dotted-disc/0000.jpg"] {
            let command = world.alexnet(&format!("{command} --checkpoint {checkpoint}"));
            world.fails(command, 1, &[checkpoint, word]);
        }
    }
    fs::remove_file(world.path("run/checkpoint.safetensors")).unwrap();
    named_pipe(&world.path("run/checkpoint.safetensors"));
    world.fails(world.alexnet("train --resume --run run"), 1, &["checkpoint", "named pipe"]);
    for option in ["--network", "--recipe"] {
        let train = world.alexnet(&format!("train --data data --run new {option} /dev/zero"));
        world.fails(train, 1, &["/dev/zero", "bytes"]);
    }
}
