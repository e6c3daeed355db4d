//! What happens to a shard's file while a record of it is read.

use crate::demo::{DemoOptions, draw_demo};
use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::prepare::options::PrepareOptions;
use crate::prepare::prepare;
use crate::prepare::source::Source;
use crate::shard::Shard;
use std::fs::{File, FileTimes};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// An opened shard of ten records, and its file.
fn shard(encoding: Encoding) -> (TempDir, Shard, File) {
    let dir = tempfile::tempdir().unwrap();
    let (images, data) = (dir.path().join("images"), dir.path().join("data"));
    let demo = DemoOptions { image_size: 32, train_per_class: 1, val_per_class: 1, seed: 7 };
    draw_demo(&images, &demo, &|_| ()).unwrap();
    let new = PrepareOptions::new(Source::Folder, images, &data);
    prepare(&PrepareOptions { size: 32, encoding, ..new }, &|_| ()).unwrap();
    let manifest = Manifest::read(&data).unwrap();
    let info = &manifest.splits[0].shards[0];
    let path: PathBuf = data.join(&info.file);
    let shard = Shard::open(&path, info, [32; 2], manifest.classes.len()).unwrap();
    (dir, shard, File::options().read(true).write(true).open(path).unwrap())
}

/// Reads record 4, and does `meanwhile` in the middle of it.
fn read(shard: &Shard, meanwhile: impl FnOnce()) -> Result<Vec<u8>> {
    shard.with_record(4, |_, bytes| {
        meanwhile();
        Ok(bytes.to_vec())
    })
}

fn touch(file: &File, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Other bytes in the same length are noticed after the record was read, whether its checksum was
/// compared just now or long ago, and also where the time of the change is set back.
#[test]
fn other_bytes_meanwhile() {
    for encoding in [Encoding::Raw, Encoding::Jpeg { quality: 90 }] {
        for was_read_before in [false, true] {
            let (_dir, shard, file) = shard(encoding);
            let at = shard.entries()[4].range().start as u64 + 9;
            let mut old = [0];
            file.read_exact_at(&mut old, at).unwrap();
            if was_read_before {
                read(&shard, || ()).unwrap();
            }
            let change = || {
                let modified = file.metadata().unwrap().modified().unwrap();
                file.write_all_at(&[!old[0]], at).unwrap();
                file.set_times(FileTimes::new().set_modified(modified)).unwrap();
            };
            let error = read(&shard, change).unwrap_err();
            assert!(matches!(error, Error::DamagedRecord { record: 4, .. }), "{error}");
            // With its old bytes, the record is good again.
            file.write_all_at(&old, at).unwrap();
            read(&shard, || ()).unwrap();
        }
    }
}

/// A file that is cut short in the middle of a read is an error even where no missing byte was
/// read.
#[test]
fn cut_short_meanwhile() {
    let (_dir, shard, file) = shard(Encoding::Raw);
    let whole = file.metadata().unwrap().len();
    for length in [whole - 1, whole + 1] {
        file.set_len(whole).unwrap();
        let error = read(&shard, || file.set_len(length).unwrap()).unwrap_err();
        let Error::UnreadableRecord { record: 4, expected, found, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((expected, found), (whole, length));
    }
}

/// A file that was only touched gives its records, which are compared with their checksums again,
/// and are not taken for known as long as the file may be changing.
#[test]
fn touched_meanwhile() {
    let (_dir, shard, file) = shard(Encoding::Raw);
    let first = read(&shard, || ()).unwrap();
    assert!(shard.watch.is_compared(4));
    assert_eq!(read(&shard, || touch(&file, 1)).unwrap(), first);
    assert!(!shard.watch.is_compared(4));
    assert_eq!(read(&shard, || ()).unwrap(), first);
    assert!(!shard.watch.is_compared(4), "the file changed less than a second ago");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(read(&shard, || ()).unwrap(), first);
    assert!(shard.watch.is_compared(4));
}
