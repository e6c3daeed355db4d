//! Checkpoints: every byte is under a checksum, and what is not finite is never saved.

mod common;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use alexnet_train::{Checkpoint, Error, Event, Job, Task, train};
use common::{dataset, job, recipe};

/// Trains for an epoch, and gives the final weights.
fn weights(folder: &Path) -> Vec<u8> {
    let data = dataset(folder, 2, 1);
    let job = job(&data, &folder.join("run"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    fs::read(job.run.weights()).unwrap()
}

/// The length of a file's header, with the eight bytes that say it.
fn header_length(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// A digit or a letter that becomes another one leaves JSON that can be read: names, numbers,
/// shapes and progress, all of which would change what the file means.
#[test]
fn every_changed_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = weights(folder.path());
    let path = folder.path().join("changed.safetensors");
    fs::write(&path, &whole).unwrap();
    Checkpoint::load(&path).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    let mut put = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    let header = header_length(&whole);
    let data = (header..whole.len()).step_by(whole.len() / 300).chain([whole.len() - 1]);
    for at in (0..header).chain(data) {
        for change in [0x01, 0x02, 0x10, 0x20, 0x80] {
            put(at, whole[at] ^ change);
            let error = Checkpoint::load(&path).err();
            assert!(matches!(error, Some(Error::Checkpoint { .. })), "byte {at}: {error:?}");
        }
        put(at, whole[at]);
    }
    Checkpoint::load(&path).unwrap();
}

#[test]
fn a_file_of_another_length_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = weights(folder.path());
    let path = folder.path().join("other.safetensors");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::load(&path).err();
        assert!(matches!(error, Some(Error::Checkpoint { .. })), "{} bytes", bytes.len());
    };
    let header = header_length(&whole);
    for length in [0, 7, 8, 100, header - 1, header, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length]);
    }
    refused(&[&whole[..], &[0]].concat());
    refused(&[&whole[..], &whole[header..]].concat());
    // Spaces at the end of the header are JSON too, and so is a length of zeros and more.
    let mut padded = whole.clone();
    padded.splice(header..header, [b' '; 8]);
    padded[..8].copy_from_slice(&(header as u64).to_le_bytes());
    refused(&padded);
}

/// A header that was edited with care, and even one of another format, is told from damage.
#[test]
fn another_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = weights(folder.path());
    let path = folder.path().join("old.safetensors");
    let header = String::from_utf8(whole[8..header_length(&whole)].to_vec()).unwrap();
    let (before, after) = header.split_once(r#"\"checksum\":\"crc32:"#).unwrap();
    let old = before.to_owned() + &after[r#"00000000\","#.len()..];
    let old = old.replacen("alexnet-checkpoint 2", "alexnet-checkpoint 1", 1);
    let length = (old.len() as u64).to_le_bytes();
    let bytes = [&length[..], old.as_bytes(), &whole[header_length(&whole)..]].concat();
    fs::write(&path, bytes).unwrap();
    let error = Checkpoint::load(&path).unwrap_err().to_string();
    let want = "its format is `alexnet-checkpoint 1`, expected `alexnet-checkpoint 2`: use";
    assert!(error.contains(want), "{error}");
}

/// Trains with a rate of 1e30 from the epoch `hot` on.
fn hot(data: &Path, run: &Path, epochs: usize, hot: usize) -> Job {
    let changes = format!("[{{ epoch = {hot}, weights = 1e30, biases = 1e30 }}]");
    let epochs = epochs.to_string();
    // One step an epoch: the last one's loss is that before its update.
    let changes = [("batch", "128"), ("epochs", &epochs), ("schedule.changes", &changes)];
    job(data, run, recipe(&changes))
}

/// The last update before a save diverges: nothing is saved, and what was saved stays.
#[test]
fn a_diverged_network_is_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let job = hot(&data, &folder.path().join("run"), 3, 2);
    let mut ended = Vec::new();
    let error = train(&job, &mut |event| {
        if let Event::Epoch { epoch, .. } = event {
            ended.push(*epoch);
        }
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Diverged { epoch: 2, step: 0, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("at epoch 3, step 1: training has diverged"), "{text}");
    assert_eq!(ended, [0, 1], "what was not saved was not told");
    let checkpoint = Checkpoint::load(&job.run.checkpoint()).unwrap();
    assert_eq!(checkpoint.progress.unwrap().epoch, 2);
    assert!(!job.run.weights().exists());

    // In the first epoch there is nothing to keep, and nothing is left but the log.
    let first = hot(&data, &folder.path().join("first"), 3, 0);
    assert!(matches!(train(&first, &mut |_| ()), Err(Error::Diverged { epoch: 0, .. })));
    assert!(!first.run.checkpoint().exists() && !first.run.weights().exists());

    // Final weights of a run that went on are not replaced either.
    let whole = hot(&data, &folder.path().join("whole"), 2, 2);
    train(&whole, &mut |_| ()).unwrap();
    let good = fs::read(whole.run.weights()).unwrap();
    let on = Job { task: Task::resume(Some(3)), ..whole };
    assert!(matches!(train(&on, &mut |_| ()), Err(Error::Diverged { epoch: 2, .. })));
    assert!(fs::read(on.run.weights()).unwrap() == good);
}

/// A checkpoint is there when it is told, and holds what the log said when it was copied.
#[test]
fn a_checkpoint_is_told_when_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 2, 1);
    let job = job(&data, &folder.path().join("run"), recipe(&[]));
    let mut told = Vec::new();
    train(&job, &mut |event| {
        if let Event::Checkpoint { epoch, step, bytes, .. } = event {
            let path = job.run.checkpoint();
            let saved = Checkpoint::load(&path).unwrap().progress.unwrap();
            assert_eq!((saved.epoch, saved.step), (*epoch, *step));
            assert_eq!(fs::metadata(path).unwrap().len(), *bytes);
            told.push((*epoch, *step));
        }
    })
    .unwrap();
    assert_eq!(told, [(1, 0), (2, 0)]);
}

/// Pipes and devices may have no end, and are no checkpoints.
#[cfg(unix)]
#[test]
fn only_a_file_is_a_checkpoint() {
    for path in ["/dev/zero", "/dev/null", "/"] {
        let error = Checkpoint::load(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains("it is no file"), "{error}");
    }
}
