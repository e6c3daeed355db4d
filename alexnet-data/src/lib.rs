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
mod header;
mod manifest;
mod map;
mod plan;
mod prepare;
mod shard;
mod statistics;
mod whole;

pub use augment::{Augmentation, ColorNoise, ColorScale, Offsets, View, Views, test_views};
pub use batch::Batch;
pub use dataset::{Dataset, Record, Split};
pub use decode::{MAX_PIXELS, Pixels, decode};
pub use demo::{DemoOptions, draw_demo};
pub use error::{DecodeError, Error};
pub use manifest::{Checksum, Class, FileInfo, Manifest, ShardInfo, SplitInfo, StoredOrder};
pub use plan::{Order, Plan};
pub use prepare::{PrepareOptions, Progress, Source, Stage, Summary, prepare, prepare_until};
pub use statistics::Statistics;
pub use whole::write_whole;
