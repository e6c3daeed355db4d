//! `alexnet ablate` and `alexnet reproduce` as people use them: what is trained, what is kept, and
//! the tables, plots and recipes they leave.

mod ablate;
#[path = "../common/mod.rs"]
mod common;
mod reproduce;

use common::World;

/// A folder with a dataset of images of `size` pixels.
fn world(size: usize) -> World {
    World::new(size, [3, 2])
}
