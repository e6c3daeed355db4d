//! `alexnet eval` as people and scripts use it: views, any k, tables, ensembles, saved
//! probabilities; and the runs of `train --seeds`.

#[path = "../../../alexnet-data/tests/common/archives.rs"]
#[allow(dead_code)] // other archives are tested there
mod archives;
mod ensembles;
mod seeds;
mod splits;
mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use serde_json::Value;

/// Small enough to train within a test.
const NETWORK: &str = include_str!("../network.toml");

/// What trains `NETWORK` in a moment.
const TRAIN: &str =
    "train --data data --preset demo --network net.toml --epochs 1 --set batch=16 --run";

/// A folder with the dataset `data` of 20 × 20 pixels, its `images`, and a network file.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 3, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        world.prepare("data");
        std::fs::write(world.path("net.toml"), NETWORK).unwrap();
        world
    }

    fn prepare(&self, output: &str) {
        let options = PrepareOptions::new(Source::Folder, self.path("images"), self.path(output));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with these arguments, divided at blanks.
    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{arguments} --json"))).unwrap()
    }

    /// Fails with this code, and says so in one line that has all of `words`.
    #[track_caller]
    fn fails(&self, arguments: &str, code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
