//! `alexnet figure` and `alexnet report`: what they draw, where it goes, and what a browser makes
//! of it.
#![cfg(unix)] // the name of a class has letters that other systems refuse
#![allow(clippy::print_stdout)] // a test that is skipped says so

mod browser;
mod figures;
mod outputs;
mod reports;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// Two towers, and layers of most kinds, small enough to train within a test.
const NETWORK: &str = r#"
name = "towers"
input = [3, 16, 16]
towers = 2
layers = [
  { name = "conv1", kind = "conv", filters = 40, kernel = 5, stride = 2, init = {std=0.1, bias=0} },
  { name = "lrn1", kind = "lrn", n = 5, alpha = 1e-4, beta = 0.75, k = 2.0, towers = 2 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2 },
  { name = "relu1", kind = "relu" },
  { name = "fc2", kind = "linear", outputs = 12, init = { std = 0.1, bias = 0.0 } },
  { name = "relu2", kind = "relu" },
  { name = "drop2", kind = "dropout", keep = 0.5, scale = "at-test" },
  { name = "fc3", kind = "linear", outputs = 10, init = { std = 0.1, bias = 0.0 } },
]
"#;

/// The name of a class that a page must not take for a tag, and of an image file.
const HOSTILE: &str = "<b>&\"'";

/// A folder with the dataset `data` of 20 × 20 pixels, its `images`, and the complete runs `run`
/// and `other`. The tests of this program share it and change nothing of it.
struct World {
    folder: tempfile::TempDir,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = World { folder: tempfile::tempdir().unwrap() };
        let demo = DemoOptions { image_size: 32, train_per_class: 6, val_per_class: 3, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        for split in ["train", "val"] {
            let folder = world.path("images").join(split);
            fs::rename(folder.join("dotted-star"), folder.join(HOSTILE)).unwrap();
        }
        let options = PrepareOptions::new(Source::Folder, world.path("images"), world.path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        fs::write(world.path("net.toml"), NETWORK).unwrap();
        let train = "train --data data --preset demo --network net.toml --set batch=16";
        world.ok(&format!("{train} --epochs 3 --run run"));
        world.ok(&format!("{train} --epochs 2 --set momentum=0.8 --seed 2 --run other"));
        world
    })
}

impl World {
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, divided at blanks.
    fn alexnet(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.output().unwrap()
    }

    /// What it says where it succeeds.
    #[track_caller]
    fn ok(&self, arguments: &str) -> String {
        let output = self.alexnet(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails in one line that has all of `words`.
    #[track_caller]
    fn fails(&self, arguments: &str, words: &[&str]) {
        let output = self.alexnet(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments} succeeded");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
    }

    /// Draws a figure, and gives the text of its SVG.
    #[track_caller]
    fn svg(&self, arguments: &str) -> String {
        let file = tempfile::Builder::new().suffix(".svg").tempfile_in(&self.folder).unwrap();
        let path = file.path().to_str().unwrap();
        self.ok(&format!("figure {arguments} --output {path}"));
        fs::read_to_string(path).unwrap()
    }
}
