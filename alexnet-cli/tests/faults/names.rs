//! Names of files that are no UTF-8.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::{World, ok};

/// `né` in Latin-1.
fn name() -> &'static OsStr {
    OsStr::from_bytes(b"n\xe9")
}

/// In JSON, what is no UTF-8 becomes the replacement character; everything else stays.
#[test]
fn json_has_the_replacement_character() {
    let world = World::new();
    world.train("run");
    let image = world.path(name()).with_extension("jpg");
    fs::copy(world.path("images/val/dotted-disc/0000.jpg"), &image).unwrap();
    let mut predict = world.alexnet("predict --json --checkpoint run/final.safetensors");
    let said = ok(predict.arg(image.file_name().unwrap())).stdout;
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["image"], "n\u{fffd}.jpg");
    assert_eq!(said["classes"].as_array().unwrap().len(), 5);
    let mut predict = world.alexnet("predict --checkpoint run/final.safetensors");
    ok(predict.arg(image.file_name().unwrap()));
    // An error names it too.
    let mut missing = world.alexnet("predict --json --checkpoint run/final.safetensors");
    missing.arg(name());
    let output = missing.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("n\u{fffd}"));

    let mut prepare = world.alexnet("prepare-data --input images --size 20 --json --output");
    let said = String::from_utf8(ok(prepare.arg(name())).stdout).unwrap();
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["report"], "n\u{fffd}/report.jsonl");
    ok(world.alexnet("verify").arg(name()));
    let mut inspect = world.alexnet("inspect --sheet");
    ok(inspect.arg(world.path(name()).with_extension("png")).arg(name()));
}
