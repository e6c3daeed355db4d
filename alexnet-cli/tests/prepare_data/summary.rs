//! The last line names what a person might not expect; its JSON takes any path.

use std::fs;
use std::path::Path;

use alexnet_data::{Pixels, write_png};

#[cfg(unix)]
use crate::cifar;
use crate::prepare_data;

/// `n` images in a folder.
fn images(folder: &Path, n: u8) {
    fs::create_dir_all(folder).unwrap();
    for i in 0..n {
        let image = Pixels::new(8, 8, vec![i; 8 * 8 * 3]);
        write_png(&folder.join(format!("{i}.png")), &image).unwrap();
    }
}

#[test]
fn what_is_missing_is_in_the_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    images(&input.join("train/cat"), 3);
    images(&input.join("test/cat"), 2);
    images(&input.join("extra"), 4);
    fs::create_dir_all(input.join("train/dog")).unwrap();
    let run = |more: &[&str], output: &str| {
        let mut command = prepare_data();
        command.args(["--size", "8", "--input"]).arg(&input).args(more);
        command.arg("--output").arg(dir.path().join(output)).output().unwrap()
    };
    let text = String::from_utf8(run(&[], "out").stdout).unwrap();
    assert_eq!(text.lines().count(), 1);
    for part in [
        "5 images (3 train, 2 test), 2 classes, 0 unreadable",
        "; no val split; 1 class without a train image: dog; 1 class without a test image: dog;",
        "; not used: extra (4 images in a folder that is no split); report: ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = String::from_utf8(run(&["--json"], "json").stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(line["empty_classes"]["train"][0], "dog");
    assert!(line["unused"][0].as_str().unwrap().starts_with("extra (4 images"));
    let end = run(&["--strict"], "strict");
    let text = String::from_utf8(end.stderr).unwrap();
    assert!(end.status.code() == Some(1) && text.contains("error: not used: extra"), "{text}");
}

/// Input and output may have names that are not UTF-8.
#[cfg(unix)]
#[test]
fn any_path() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = |bytes| dir.path().join(std::ffi::OsStr::from_bytes(bytes));
    let input = name(b"in\xe9");
    fs::create_dir(&input).unwrap();
    cifar(&input, 1);
    for (flag, output) in [("--json", &b"json\xe9"[..]), ("--exif=ignore", b"words\xe9")] {
        let mut command = prepare_data();
        let output = name(output);
        let end = command.arg(flag).arg("--input").arg(&input).arg("--output").arg(&output);
        let end = end.output().unwrap();
        let text = String::from_utf8_lossy(&end.stdout);
        assert!(end.status.success() && output.join("manifest.json").exists(), "{end:?}");
        let last = text.lines().last().unwrap();
        assert!(last.contains("report.jsonl"), "{last}");
        if flag == "--json" {
            let line: serde_json::Value = serde_json::from_str(last).unwrap();
            assert_eq!(line["images"], 6);
        }
    }
}
