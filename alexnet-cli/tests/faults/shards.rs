//! Shards that are changed while a run trains on them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::{TRAIN, World, ok};

/// Enough epochs that the run is at work when its shard is changed.
const EPOCHS: &str = "--epochs 400 --checkpoint-every 7 --loader-threads 2 \
    --set weights.rate=1e-5 --set biases.rate=1e-5";

/// Trains into the folder `run`, and does `meanwhile` after the first epochs.
fn train(world: &World, meanwhile: impl FnOnce()) -> Output {
    let train = TRAIN.replace("--epochs 2", EPOCHS);
    let mut command = world.alexnet(&train);
    command.arg("run").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let (log, began) = (world.path("run/log.jsonl"), Instant::now());
    let epochs = || fs::read_to_string(&log).unwrap_or_default().matches("\"epoch\"").count();
    while epochs() < 10 {
        assert!(began.elapsed() < Duration::from_secs(120), "no epoch was trained");
        std::thread::sleep(Duration::from_millis(2));
    }
    meanwhile();
    child.wait_with_output().unwrap()
}

/// The run ends in one line that names shard and record and leads back to it; with the shard made
/// whole it goes on to the weights of a run that nothing has happened to.
#[test]
fn a_shard_cut_short_ends_the_run() {
    let world = World::new();
    let shard = world.path("data/train-00000.shard");
    let whole = fs::read(&shard).unwrap();
    let file = File::options().write(true).open(&shard).unwrap();
    for damage in ["cut", "overwritten"] {
        let output = train(&world, || match damage {
            "cut" => file.set_len(100).unwrap(),
            _ => file.write_all_at(&vec![1; whole.len()], 0).unwrap(), // at no time is it shorter
        });
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{damage}: {:?}: {error}", output.status);
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        let what = if damage == "cut" { "to 100 bytes" } else { "has checksum" };
        let go_on = "go on with `alexnet train --resume --run run`";
        for word in ["data/train-00000.shard", "record ", what, "verify --repair", go_on] {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
        fs::write(&shard, &whole).unwrap();
        ok(&mut world.alexnet("train --resume --run run"));
        fs::rename(world.path("run"), world.path(damage)).unwrap();
    }
    // Another time of the shard, and another file in its place, are not noticed.
    let output = train(&world, || {
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        fs::write(world.path("other"), "short").unwrap();
        fs::rename(world.path("other"), &shard).unwrap();
    });
    assert!(output.status.success(), "{output:?}");
    let weights = |run: &str| fs::read(world.path(run).join("final.safetensors")).unwrap();
    assert!(weights("cut") == weights("run") && weights("overwritten") == weights("run"));
}
