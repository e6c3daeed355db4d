//! Atomic writes: the whole file or none.

use alexnet_data::write_atomic;
use std::io::Write;
use std::path::Path;

/// A failed write keeps the old file, and leaves no other file in the folder.
#[test]
fn a_failed_write_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    write_atomic(&path, |f| f.write_all(b"old")).unwrap();
    let failed: Result<(), _> = write_atomic(&path, |f| {
        f.write_all(b"new")?;
        Err(std::io::Error::other("disk full"))
    });
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("disk full") && text.contains(&*path.to_string_lossy()), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// A missing folder is an error with the path, and no panic.
#[test]
fn a_missing_folder_is_named() {
    let text = write_atomic(Path::new("/no/such/folder/f"), |_| Ok(())).unwrap_err().to_string();
    assert!(text.contains("/no/such/folder/f"), "{text}");
}

/// A folder, a link and what has no name stay as they are, and the content is not even made.
#[cfg(unix)]
#[test]
fn only_a_regular_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("file"), "old").unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    let refused = |path: &Path, word: &str| {
        let write = |_: &mut std::fs::File| -> std::io::Result<()> { panic!("{word}") };
        let text = write_atomic(path, write).unwrap_err().to_string();
        assert!(text.contains(word) && text.contains(&*path.to_string_lossy()), "{text}");
    };
    refused(&at("folder"), "folder");
    refused(&at("link"), "symbolic link");
    refused(Path::new("/dev/null"), "device");
    refused(Path::new(""), "names no file");
    assert_eq!(std::fs::read(at("link")).unwrap(), b"old");
    // One that comes while the file is written stays too.
    let late = write_atomic(&at("late"), |_| std::fs::create_dir(at("late")));
    assert!(late.unwrap_err().to_string().contains("folder"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4);
}
