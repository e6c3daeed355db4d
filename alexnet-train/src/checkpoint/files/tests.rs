//! Which files are kept, and which is used when some are damaged.

use std::collections::HashMap;
use std::io::Write;

use alexnet_data::{Crop, Exif, Preprocessing, Resample};
use alexnet_model::{Network, NetworkSpec};
use candle_core::{DType, Device, Tensor};

use super::*;
use crate::checkpoint::progress::{LogOffsets, Progress, SavedState};
use crate::checkpoint::write::CheckpointWriter;
use crate::recipe::Recipe;
use crate::train::optimizer::Optimizer;

#[test]
fn names_say_positions() {
    for at in [(0, 0), (12, 340), (1000, 1_000_000)] {
        assert_eq!(position(Path::new(&name(at))), Some(at));
    }
    for other in ["best.safetensors", "epoch-1-step-x.safetensors", ".epoch-001-step-000002"] {
        assert_eq!(position(Path::new(other)), None);
    }
}

/// The last few are kept, and the best and those before a drop for good.
#[test]
fn what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let files = CheckpointFiles { run: run.clone(), keep: 2 };
    let names = || {
        let entries = fs::read_dir(run.checkpoints()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.iter().map(|name| name.trim_end_matches(".safetensors")).collect::<Vec<_>>().join(" ")
    };
    let text = |name: &str| fs::read_to_string(run.checkpoints().join(name)).unwrap();
    let write =
        |bytes: &[u8], at, kept| files.write(at, kept, |file| file.write_all(bytes)).unwrap();
    let best = Kept { best: true, ..Kept::default() };
    write(b"a", (0, 0), Kept::default());
    write(b"b", (0, 5), best);
    write(b"c", (1, 0), Kept { drop: Some(1), ..best });
    assert_eq!(names(), "best drop-1 epoch-000-step-000005 epoch-001-step-000000");
    write(b"d", (1, 5), Kept::default());
    write(b"e", (2, 0), Kept::default());
    assert_eq!(names(), "best drop-1 epoch-001-step-000005 epoch-002-step-000000");
    assert_eq!([text("best.safetensors"), text("drop-1.safetensors")], ["c", "c"]);
    assert_eq!(fs::read_to_string(run.checkpoint()).unwrap(), "e");
    // The run has gone back: what was beyond is gone.
    write(b"f", (1, 7), Kept::default());
    assert_eq!(names(), "best drop-1 epoch-001-step-000005 epoch-001-step-000007");
    assert_eq!(fs::read_to_string(run.checkpoint()).unwrap(), "f");
}

/// A checkpoint of a network of 296 parameters.
fn small_checkpoint((epoch, step): Position) -> Vec<u8> {
    let layers = r#"
        name = "tiny"
        input = [3, 7, 7]
        layers = [
          { name = "fc1", kind = "linear", outputs = 2, init = { std = 0.05, bias = 0.0 } },
        ]"#;
    let spec = NetworkSpec::from_toml("tiny", layers).unwrap();
    let mut network = Network::new(&spec, 1, &Device::Cpu).unwrap();
    let optimizer = Optimizer::new(&mut network, &HashMap::new(), DType::F32).unwrap();
    let (resample, crop, exif) = (Resample::default(), Crop::default(), Exif::default());
    let writer = CheckpointWriter {
        recipe: Recipe::preset("demo", &[]).unwrap(),
        classes: vec!["a".to_owned(), "b".to_owned()],
        preprocessing: Preprocessing { height: 8, width: 8, resample, crop, exif },
        mean_image: Tensor::zeros((8, 8, 3), DType::F32, &Device::Cpu).unwrap(),
    };
    let progress = Progress { epoch, step, ..Progress::START };
    let state = SavedState { progress, logs: LogOffsets::from([("log.jsonl".to_owned(), 9)]) };
    let snapshot = optimizer.snapshot(&network).unwrap();
    let file = writer.file(Path::new("tiny"), &snapshot, Some(&state), (epoch, step)).unwrap();
    let mut written = tempfile::NamedTempFile::new().unwrap();
    file.write_to(written.as_file_mut()).unwrap();
    fs::read(written.path()).unwrap()
}

#[test]
fn the_one_before_any_damage_is_used() {
    damage_is_found(5);
}

/// Takes half a minute.
#[test]
#[ignore = "run it as bench/README.md says"]
fn the_one_before_all_damage_is_used() {
    damage_is_found(1);
}

/// Flips a bit of every `stride`-th byte, and cuts at every `stride`-th length: it is found under
/// each name of the file, and the one before is used.
fn damage_is_found(stride: usize) {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let files = CheckpointFiles { run: run.clone(), keep: 2 };
    let whole = small_checkpoint((1, 2));
    for (at, bytes) in [((1, 0), &small_checkpoint((1, 0))), ((1, 2), &whole)] {
        files.write(at, Kept::default(), |file| file.write_all(bytes)).unwrap();
    }
    let names = [run.checkpoint(), run.checkpoints().join(name((1, 2)))];
    let used = || {
        let (checkpoint, errors) = CheckpointFiles::newest(&run).unwrap();
        let Progress { epoch, step, .. } = checkpoint.unwrap().progress.unwrap();
        ((epoch, step), errors)
    };
    assert_eq!(used().0, (1, 2));
    let flips = (0..whole.len()).step_by(stride).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        (format!("byte {at}"), bytes)
    });
    let cuts = (0..whole.len())
        .step_by(stride)
        .map(|length| (format!("{length} bytes"), whole[..length].to_vec()));
    for (what, bytes) in flips.chain(cuts) {
        fs::write(&names[0], &bytes).unwrap(); // the other one is a link to it
        let (position, errors) = used();
        assert_eq!(position, (1, 0), "{what}");
        let named = |error: &Error| match error {
            Error::Checkpoint { path, .. } => path.clone(),
            error => panic!("{what}: {error}"),
        };
        assert_eq!(errors.iter().map(named).collect::<Vec<_>>(), names, "{what}");
    }
}
