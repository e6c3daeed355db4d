//! `alexnet predict` and `alexnet logits`: which images they look at, what they say of them, and
//! the picture of it.
#![cfg(unix)] // links and names of files

mod logits;
mod said;
mod show;
mod sources;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, imagenet_classes, prepare};
use serde_json::Value;

/// A folder with `images` of classes of which three have the names of ImageNet's, and a run `run`
/// that was trained on them. The tests of this program share it and change nothing of it.
struct World {
    folder: tempfile::TempDir,
}

/// An image that is there.
const IMAGE: &str = "images/val/n02099601/0000.jpg";

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = World { folder: tempfile::tempdir().unwrap() };
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 2, seed: 7 };
        draw_demo(&world.path("images"), &demo, &|_| ()).unwrap();
        for split in ["train", "val"] {
            let folder = world.path("images").join(split);
            let mut classes: Vec<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            classes.sort();
            for (class, number) in classes.iter().zip([207, 0, 999]) {
                fs::rename(class, folder.join(&imagenet_classes()[number].name)).unwrap();
            }
        }
        let options = PrepareOptions::new(Source::Folder, world.path("images"), world.path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        fs::write(world.path("net.toml"), include_str!("../network.toml")).unwrap();
        let train = "train --data data --preset demo --network net.toml --set batch=16";
        world.ok(&format!("{train} --epochs 2 --run run"));
        world
    })
}

impl World {
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, divided at blanks, and these bytes as standard input.
    fn given(&self, arguments: &str, stdin: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // A program that does not read it closes it.
        _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// What it says where it succeeds.
    #[track_caller]
    fn ok(&self, arguments: &str) -> String {
        self.ok_given(arguments, b"")
    }

    #[track_caller]
    fn ok_given(&self, arguments: &str, stdin: &[u8]) -> String {
        let output = self.given(arguments, stdin);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        assert_eq!(error, "", "{arguments}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails with this code and in lines that have all of `words`, and gives what it says before.
    #[track_caller]
    fn fails(&self, arguments: &str, code: i32, words: &[&str]) -> String {
        self.fails_given(arguments, b"", code, words)
    }

    #[track_caller]
    fn fails_given(&self, arguments: &str, stdin: &[u8], code: i32, words: &[&str]) -> String {
        let output = self.given(arguments, stdin);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {error}");
        assert!(error.lines().all(|line| line.starts_with("error: ")), "{arguments}: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
        String::from_utf8(output.stdout).unwrap()
    }

    /// The images that `predict` says something of, as their paths.
    #[track_caller]
    fn predicted(&self, arguments: &str) -> Vec<String> {
        images(&self.ok(&format!("predict --checkpoint run --json {arguments}")))
    }
}

/// The paths in lines of JSON.
fn images(said: &str) -> Vec<String> {
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["image"].as_str().unwrap().to_owned()).collect()
}
