#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![deny(unsafe_code)] // but for the one mapping, in map.rs

mod augment;
mod batch;
mod crc;
mod dataset;
mod decode;
mod demo;
mod draws;
mod eigen;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod inspect;
mod manifest;
mod map;
mod plan;
mod prepare;
mod shard;
mod statistics;
mod verify;
mod whole;

pub use augment::{Augmentation, ColorNoise, ColorScale, Offsets, View, Views, test_views};
pub use batch::Batch;
pub use dataset::{Dataset, Record, Split};
pub use decode::{Exif, MAX_PIXELS, Pixels, decode, decode_with};
pub use demo::{DemoOptions, draw_demo};
pub use error::{DecodeError, Error};
pub use inspect::{contact_sheet, mean_picture, write_png};
pub use manifest::{Checksum, Class, FileInfo, Manifest, ShardInfo, SplitInfo, StoredOrder};
pub use plan::{Order, Plan};
pub use prepare::{
    PrepareOptions, Progress, Source, Stage, Summary, prepare, prepare_until, repair,
};
pub use statistics::Statistics;
pub use verify::{Fault, verify};
pub use whole::write_whole;
