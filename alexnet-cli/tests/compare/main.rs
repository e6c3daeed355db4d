//! `alexnet ablate` and `alexnet reproduce` as people use them: what is trained, what is kept, and
//! the tables, plots and recipes they leave.

mod ablate;
mod reproduce;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// Small enough to train within a test.
const NETWORK: &str = include_str!("../network.toml");

/// A folder with the dataset `data` and the network `net.toml`.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// With images of `size` pixels.
    fn new(size: usize) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let demo =
            DemoOptions { image_size: size.max(32), train_per_class: 3, val_per_class: 2, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, world.path("images"), world.path("data"));
        prepare(&PrepareOptions { size, ..options }, &|_| ()).unwrap();
        std::fs::write(world.path("net.toml"), NETWORK).unwrap();
        world
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

    /// Fails, and says so in one line that has all of `words`.
    #[track_caller]
    fn fails(&self, arguments: &str, words: &[&str]) {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
    }
}
