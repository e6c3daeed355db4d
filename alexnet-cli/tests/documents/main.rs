//! What the documents name exists: paths, cargo's commands, and the commands and flags of
//! `alexnet`.

mod commands;
mod pieces;
mod repository;

use commands::Commands;
use pieces::{Piece, pieces};
use repository::Repository;

/// What is wrong with a document that lies in `folder`, a line for each fault.
fn faults(commands: &Commands, folder: &str, text: &str) -> Vec<String> {
    let check = |piece: &Piece| match piece {
        Piece::Link(target) => commands.repository.link(folder, target),
        Piece::Code(code) => commands.code(code),
    };
    let faults = pieces(text).into_iter().filter_map(|(line, piece)| {
        check(&piece).err().map(|fault| format!("line {line}: {fault}"))
    });
    faults.collect()
}

/// The records of measurements are left out: they tell what was there on their day.
#[test]
fn every_document_names_what_exists() {
    let commands = Commands::new(Repository::new());
    let repository = &commands.repository;
    let is_read = |path: &&String| {
        let depth = path.matches('/').count();
        path.ends_with(".md")
            && (depth == 0
                || depth == 1 && !path.starts_with("fuzz/")
                || path.starts_with("docs/")
                || path.starts_with("bench/peers/"))
    };
    let documents: Vec<&String> = repository.paths().filter(is_read).collect();
    assert!(documents.len() > 30, "only {documents:?}");
    let mut all = Vec::new();
    for document in documents {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let found = faults(&commands, folder, &repository.read(document));
        all.extend(found.iter().map(|fault| format!("{document}, {fault}")));
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

/// Each text has one thing that does not exist, which is named; without it, nothing is.
#[test]
fn the_finder_finds_what_does_not_exist() {
    let commands = Commands::new(Repository::new());
    for (wrong, right, fault) in [
        ("`alexnet-data/src/plam.rs`", "`alexnet-data/src/plan.rs`", "plam.rs"),
        ("`plam.rs`", "`plan.rs`", "plam.rs"),
        ("`alexnet-dada/src/`", "`alexnet-data/src/`", "alexnet-dada"),
        ("`presets/{demo,dome}.toml`", "`presets/{demo,small}.toml`", "dome"),
        ("`presets/*.tml/x`", "`presets/*.toml`", "*.tml"),
        ("`alexnet-dada/<crate>/x.rs`", "`alexnet-data/<crate>/x.rs`", "alexnet-dada"),
        ("[a](docs/NOTHING.md)", "[a](README.md#crates)", "docs/NOTHING.md"),
        ("`alexnet trian`", "`alexnet train`", "trian"),
        ("`alexnet train --sed 1`", "`alexnet train --seed 1`", "--sed"),
        ("`alexnet train --preset dome`", "`alexnet train --preset demo`", "dome"),
        ("`alexnet eval --views 1\n--datta D`", "`alexnet eval --views 1\n--data D`", "--datta"),
        ("`--presicion bf16`", "`--precision bf16`", "--presicion"),
        ("`cargo biuld`", "`cargo build`", "biuld"),
        ("`cargo test -p alexnet-dada`", "`cargo test -p alexnet-data`", "alexnet-dada"),
        ("`cargo test --test plam`", "`cargo test --test plan`", "plam"),
        ("`cargo run --example 01_raed`", "`cargo run --example 01_read`", "01_raed"),
        ("`cargo build --features cuad`", "`cargo build --features cuda`", "cuad"),
        ("`cargo fuzz run zap`", "`cargo fuzz run zip`", "zap"),
        ("`cargo xtask cuda bindle`", "`cargo xtask cuda bundle`", "bindle"),
        ("`cargo xtask bench --pears`", "`cargo xtask bench --peers`", "--pears"),
        ("`torch_step.py --mod eager`", "`torch_step.py --mode eager`", "--mod"),
        (
            "```sh\ncargo run -p alexnet-cli -- train \\\n  --sed 1 # a word\n```",
            "```sh\ncargo run -p alexnet-cli -- train \\\n  --seed 1 # alexnet-dada/x.rs\n```",
            "--sed",
        ),
        ("```sh\nbench/gpo.sh A B\n```", "```sh\nbench/gpu.sh A B\n```", "gpo.sh"),
        ("```\nalexnet-dada/src\n```", "```\nalexnet-data/src\n```", "alexnet-dada"),
    ] {
        let found = faults(&commands, "", wrong);
        assert!(found.len() == 1 && found[0].contains(fault), "{wrong}: {found:?}");
        assert_eq!(faults(&commands, "", right), [""; 0], "{right}");
    }
}

#[test]
fn what_is_the_readers_is_not_looked_for() {
    let commands = Commands::new(Repository::new());
    for text in [
        "`data/imagenet/x.rs`, `runs/original`, `target/cuda/bundle-80/alexnet`",
        "`alexnet predict --checkpoint a/final.safetensors cat/cat.jpg`, `alexnet COMMAND`",
        "`bench/records/<date>-<name>/README.md`, `alexnet verify DIR/x`, `3/16`, `cuda:0,cuda:1`",
        "[a site](https://example.org/x.rs), [here](#there), `https://example.org/y.rs`",
        "```rust\nuse a::b; // c/d.rs\n```",
    ] {
        assert_eq!(faults(&commands, "", text), [""; 0], "{text}");
    }
}
