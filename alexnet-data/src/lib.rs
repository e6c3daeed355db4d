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
mod encoding;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod inspect;
mod manifest;
mod map;
mod plan;
mod prepare;
mod record;
mod shard;
mod statistics;
mod verify;
mod whole;

pub use augment::{Augmentation, ColorNoise, ColorScale, Offsets, View, Views, test_views};
pub use batch::Batch;
pub use dataset::{Amount, Dataset, Record, Split};
pub use decode::{Decoder, Exif, MAX_PIXELS, Pixels, decode, decode_with};
pub use demo::{DemoOptions, draw_demo};
pub use encoding::{Encoding, Mixture};
pub use error::{DecodeError, Error};
pub use inspect::{contact_sheet, mean_picture, write_png};
pub use manifest::{Checksum, Class, FileInfo, Manifest, ShardInfo, SplitInfo, StoredOrder};
pub use plan::{Order, Plan};
pub use prepare::{
    Part, PartSummary, PrepareOptions, Progress, Source, Stage, Summary, merge, prepare,
    prepare_part, prepare_until, repair,
};
pub use statistics::Statistics;
pub use verify::{Fault, verify};
pub use whole::write_whole;
