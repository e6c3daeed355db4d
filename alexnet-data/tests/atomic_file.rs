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
