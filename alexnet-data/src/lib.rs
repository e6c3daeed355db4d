#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![deny(unsafe_code)] // except for mapped files, in mmap

// Errors, files and threads
mod atomic_file;
mod checksum;
mod error;
mod holder;
mod lock;
mod open_files;
mod parallel;
mod past_cache;
mod phrases;
mod progress;

// Image files to a dataset
mod decode;
mod demo;
mod image_files;
mod prepare;

// A dataset: its format, and reading, checking and looking at it
mod dataset;
mod eigen;
mod encoding;
mod file_watch;
mod given_statistics;
mod header;
mod imagenet;
mod inspect;
mod manifest;
mod mmap;
mod picture_file;
mod preprocessing;
mod record;
mod shard;
mod statistics;
mod verify;

// A dataset to batches
mod augment;
mod batch;
mod draws;
mod part_copy;
mod plan;

#[doc(hidden)]
pub mod fuzz;

pub use atomic_file::{
    AtomicFile, check_replaceable, link_atomic, remove_all_unfinished, remove_unfinished,
    write_atomic,
};
pub use augment::{
    Augmentation, ColorNoise, ColorScale, Offsets, ResizedCrop, View, Views, test_views,
};
pub use batch::Batch;
pub use checksum::Checksum;
pub use dataset::{Dataset, Record, Split};
pub use decode::error::DecodeError;
pub use decode::exif::Exif;
pub use decode::limits::MAX_PIXELS;
pub use decode::pixels::Pixels;
pub use decode::resample::Resample;
pub use decode::square::Crop;
pub use decode::thumbnail::thumbnail;
pub use decode::{Decoder, decode};
pub use demo::{DemoOptions, draw_demo};
pub use draws::sample;
pub use encoding::{Encoding, Mixture};
pub use error::{Error, Result};
pub use given_statistics::{GivenStatistics, MeanImage};
pub use holder::Holder;
pub use image_files::ImageFiles;
pub use imagenet::{imagenet_classes, imagenet_words};
pub use inspect::{contact_sheet, mean_picture, write_png};
pub use lock::Lock;
pub use manifest::{Class, FileInfo, Manifest, ShardInfo, SplitInfo, StoredOrder};
pub use mmap::survive_cut_files;
pub use past_cache::past_cache;
pub use picture_file::{encode_jpeg, encode_png};
pub use plan::{Order, Plan};
pub use prepare::merge::merge;
pub use prepare::options::PrepareOptions;
pub use prepare::part::{Part, PartSummary};
pub use prepare::repair::repair;
pub use prepare::source::Source;
pub use prepare::summary::Summary;
pub use prepare::{prepare, prepare_part, prepare_until};
pub use preprocessing::Preprocessing;
pub use progress::{Progress, Stage};
pub use shard::Amount;
pub use statistics::Statistics;
pub use verify::{Fault, verify};
