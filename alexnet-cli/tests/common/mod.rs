//! A folder with a small dataset, and the program `alexnet` that runs in it.
#![allow(dead_code)] // not every test needs all of it

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// A network that is small enough to train within a test.
pub(crate) const NETWORK: &str = include_str!("../network.toml");

/// A folder that vanishes with this value.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With drawn `images`, so many of each class for training and for validation; the dataset
    /// `data` of them, of `size` × `size` pixels; and `net.toml`, which is [`NETWORK`].
    pub(crate) fn new(size: usize, [train_per_class, val_per_class]: [usize; 2]) -> Self {
        let world = Self::empty();
        let image_size = size.max(32);
        let demo = DemoOptions { image_size, train_per_class, val_per_class, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        world.prepare("data", size);
        std::fs::write(world.path("net.toml"), NETWORK).unwrap();
        world
    }

    /// Makes another dataset of the images.
    pub(crate) fn prepare(&self, output: &str, size: usize) {
        let options = PrepareOptions::new(Source::Folder, self.path("images"), self.path(output));
        prepare(&PrepareOptions { size, ..options }, &|_| ()).unwrap();
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// The program with these arguments, divided at blanks.
    pub(crate) fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.output().unwrap()
    }

    /// What it prints where it succeeds.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails with this code, and says so in one line that has all of `words`.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &str, code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
    }
}
