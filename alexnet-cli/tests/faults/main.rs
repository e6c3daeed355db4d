//! The program where something around it is not as it should be: no one reads what it says, the
//! system refuses, names and numbers are odd, the place of an output is taken.
#![cfg(target_os = "linux")]

mod early;
mod limits;
mod names;
mod numbers;
mod outputs;
mod places;
mod presets;
mod shards;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// Small enough to train within a test.
const NETWORK: &str = include_str!("../network.toml");

/// What trains `NETWORK` in a moment.
const TRAIN: &str =
    "train --data data --preset demo --network net.toml --epochs 2 --set batch=16 --run";

/// A folder with the dataset `data` of 20 × 20 pixels, its `images`, and a network file.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 2, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, world.path("images"), world.path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        fs::write(world.path("net.toml"), NETWORK).unwrap();
        world
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, divided at blanks.
    fn alexnet(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// The program under a limit of `ulimit`, as in `-v 1000`.
    fn limited(&self, limit: &str, arguments: &str) -> Command {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_alexnet");
        command.arg("-c").arg(format!("ulimit {limit} && exec {program} {arguments}"));
        command.current_dir(self.folder.path());
        command
    }

    /// Fails with this code and in one line with all of `words`, which is returned.
    #[track_caller]
    fn fails(&self, mut command: Command, code: i32, words: &[&str]) -> String {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{command:?}: no `{word}` in: {error}");
        }
        error
    }

    /// Trains into the folder `run`.
    #[track_caller]
    fn train(&self, run: impl AsRef<OsStr>) {
        ok(self.alexnet(TRAIN).arg(run.as_ref()));
    }
}

#[track_caller]
fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    output
}
