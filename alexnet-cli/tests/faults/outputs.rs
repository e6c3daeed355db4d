//! Standard output and standard error that no one reads, or that lie on a full disk.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::{TRAIN, World};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without room.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// The exit code, and what was written to standard error.
#[track_caller]
fn end(command: &mut Command, stdout: Stdio) -> (Option<i32>, String) {
    let output = command.stdout(stdout).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("panicked"), "{command:?}: {error}");
    (output.status.code(), error)
}

/// A command that reports ends quietly where its reader is gone, and with an error where the disk
/// is full.
#[test]
fn reports_end() {
    let world = World::new();
    world.train("run");
    let weights = "--checkpoint run/final.safetensors";
    for arguments in [
        "--help",
        "--version",
        "train --help",
        "prepare-data --help",
        "describe --preset original",
        "describe --preset original --json",
        "inspect data",
        "verify data",
        "selftest",
        "selftest --json",
        "bench --preset cifar --batch 2 --steps 1 --step-only",
        "bench --preset cifar --batch 2 --steps 1 --step-only --json",
        &format!("eval --data data {weights}"),
        &format!("eval --data data {weights} --json"),
        &format!("predict {weights} images/val/dotted-disc/0000.jpg"),
        &format!("predict {weights} images/val/dotted-disc/0000.jpg --json"),
    ] {
        let gone = end(&mut world.alexnet(arguments), closed());
        assert_eq!(gone, (Some(0), String::new()), "{arguments}");
        let (code, error) = end(&mut world.alexnet(arguments), full());
        assert_eq!(code, Some(1), "{arguments}: {error}");
        assert!(error.starts_with("error: cannot write to standard output"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        // Standard error too: the code still says it.
        let code = world.alexnet(arguments).stdout(full()).stderr(closed()).status().unwrap();
        assert_eq!(code.code(), Some(1), "{arguments}");
    }
}

/// A verdict stays one, and pictures are written, though no one reads the table.
#[test]
fn verdicts_stay() {
    let world = World::new();
    let (code, error) = end(&mut world.alexnet("selftest --spoil lrn"), closed());
    assert!(code == Some(1) && error.contains("comparisons miss"), "{error}");
    let code = end(&mut world.alexnet("inspect data --sheet sheet.png --mean mean.png"), closed());
    assert_eq!(code.0, Some(0));
    assert!(world.path("sheet.png").is_file() && world.path("mean.png").is_file());
    let shard = world.path("data/val-00000.shard");
    let mut bytes = std::fs::read(&shard).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&shard, &bytes).unwrap();
    let (code, error) = end(&mut world.alexnet("verify data"), closed());
    assert!(code == Some(1) && error.contains("1 fault"), "{error}");
    let (code, error) = end(&mut world.alexnet("verify data --repair --input images"), closed());
    assert_eq!(code, Some(0), "{error}");
    bytes[5000] ^= 1;
    assert!(std::fs::read(&shard).unwrap() == bytes);
}

/// Training and preparation go on to the same files, whatever they write to.
#[test]
fn work_goes_on() {
    let world = World::new();
    world.train("whole");
    let weights = |run: &str| std::fs::read(world.path(run).join("final.safetensors")).unwrap();
    let outputs: [fn() -> Stdio; 2] = [closed, full];
    for (n, output) in outputs.into_iter().enumerate() {
        for json in ["", "--json"] {
            let run = format!("run-{n}{json}");
            let mut train = world.alexnet(&format!("{TRAIN} {run} {json}"));
            let (code, error) = end(&mut train, output());
            assert_eq!(code, Some(0), "{error}");
            let warnings = usize::from(n == 1);
            assert_eq!(error.lines().count(), warnings, "{error}");
            assert!(weights(&run) == weights("whole"));
            assert!(world.path(run).join("checkpoint.safetensors").is_file());

            let to = format!("data-{n}{json}");
            let prepare = format!("prepare-data --input images --size 20 {json} --output {to}");
            let (code, error) = end(&mut world.alexnet(&prepare), output());
            assert_eq!(code, Some(0), "{error}");
            let manifest = |data: &str| std::fs::read(world.path(data).join("manifest.json"));
            assert!(manifest(&to).unwrap() == manifest("data").unwrap());
        }
        let mut train = world.alexnet(&format!("{TRAIN} both-{n}"));
        let status = train.stdout(output()).stderr(output()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(weights(&format!("both-{n}")) == weights("whole"));
    }
}
