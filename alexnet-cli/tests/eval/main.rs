//! `alexnet eval` as people and scripts use it: views, any k, tables, ensembles, saved
//! probabilities; and the runs of `train --seeds`.

#[path = "../../../alexnet-data/tests/common/archives.rs"]
#[allow(dead_code)] // other archives are tested there
mod archives;
#[path = "../common/mod.rs"]
mod common;
mod ensembles;
mod seeds;
mod splits;
mod tables;

use common::{NETWORK, World};
use serde_json::Value;

/// What trains `NETWORK` in a moment.
const TRAIN: &str =
    "train --data data --preset demo --network net.toml --epochs 1 --set batch=16 --run";

/// A folder with the dataset `data` of 20 × 20 pixels.
fn world() -> World {
    World::new(20, [4, 3])
}

/// What the program prints with `--json`.
#[track_caller]
fn json(world: &World, arguments: &str) -> Value {
    serde_json::from_str(&world.ok(&format!("{arguments} --json"))).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
