//! The demo dataset: textured shapes, drawn by code, as JPEG files in an ImageNet-like tree.

mod picture;
mod shape;

use crate::{Error, Progress, Stage, write_whole};
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;
use picture::draw;
use serde::{Deserialize, Serialize};
use shape::{Shape, Texture};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// JPEG quality of the drawn images.
const QUALITY: u8 = 90;
/// Notes what the tree is; its second field says whether it is whole.
const MARKER: &str = "demo.json";
/// The smallest side at which a texture can still be told.
const MIN_SIDE: usize = 32;
/// Far more than any demo needs.
const MAX_SIDE: usize = 1024;

/// How many demo images to draw, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoOptions {
    /// The shorter side, 32 to 1024 pixels; the longer one varies, up to a third more.
    pub image_size: usize,
    /// Train images of each of the ten classes.
    pub train_per_class: usize,
    /// Val images of each class.
    pub val_per_class: usize,
    /// The seed; every image is a pure function of seed, split, class and number.
    pub seed: u64,
}

impl DemoOptions {
    /// 4,000 train and 1,000 val images of 96 pixels, to be prepared at 72 and cropped to 64.
    pub const STANDARD: Self =
        Self { image_size: 96, train_per_class: 400, val_per_class: 100, seed: 2012 };
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Marker {
    options: DemoOptions,
    complete: bool,
}

/// Draws the demo images into `dir`: `train/<class>/0000.jpg` …, `val/<class>/0000.jpg` ….
///
/// Ten classes: five shapes, each striped or dotted. Position, size, rotation, colours, background,
/// clutter and noise vary, so that neither colour nor any single pixel tells the class. A folder
/// that was drawn with the same options is left as it is; one that was not drawn to the end is
/// drawn again.
///
/// # Errors
/// [`Error::NotEmpty`] where the folder holds anything else, [`Error::Setting`], [`Error::Io`].
pub fn draw_demo(
    dir: &Path,
    options: &DemoOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(), Error> {
    if !(MIN_SIDE..=MAX_SIDE).contains(&options.image_size) {
        let (expected, got) = ("32 to 1024", options.image_size.to_string());
        return Err(Error::Setting { name: "image_size", expected, got });
    }
    if read_marker(dir)? == Some(Marker { options: *options, complete: true }) {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    mark(dir, options, false)?;
    let mut jobs = Vec::new();
    for (split, count) in [(0, options.train_per_class), (1, options.val_per_class)] {
        for class in 0..10 {
            let (shape, texture) = class_of(class);
            let name = format!("{}-{}", texture.name(), shape.name());
            let folder = dir.join(["train", "val"][split]).join(name);
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            jobs.extend((0..count).map(|i| (split, class, i, folder.join(format!("{i:04}.jpg")))));
        }
    }
    let (next, done, total) = (AtomicUsize::new(0), AtomicU64::new(0), jobs.len() as u64);
    let work = || -> Result<(), Error> {
        while let Some((split, class, i, path)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let drawn = encode(options, *split, *class, *i);
            let write = |bytes: Vec<u8>| std::fs::write(path, bytes);
            drawn.and_then(write).map_err(Error::io("write", path))?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: Stage::Drawing, done, total, skipped: 0, bytes: 0 });
        }
        Ok(())
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| Error::Worker)?)
    })?;
    mark(dir, options, true)
}

/// One picture as the bytes of a JPEG file.
fn encode(options: &DemoOptions, split: usize, class: usize, i: usize) -> std::io::Result<Vec<u8>> {
    let (shape, texture) = class_of(class);
    // A number of its own for each picture; 2³² a class.
    let index = (((split * 10 + class) as u64) << 32) + i as u64;
    let picture = draw(options.seed, index, options.image_size, shape, texture);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&picture.data, picture.width as u32, picture.height as u32, Rgb8)
        .map_err(std::io::Error::other)?;
    Ok(bytes)
}

fn class_of(class: usize) -> (Shape, Texture) {
    (Shape::ALL[class % 5], Texture::ALL[class / 5 % 2])
}

/// What the folder is: `None` for a missing or empty one, an error for someone else's.
fn read_marker(dir: &Path) -> Result<Option<Marker>, Error> {
    let bytes = match std::fs::read(dir.join(MARKER)) {
        Ok(bytes) => bytes,
        Err(_) if !dir.exists() => return Ok(None),
        Err(_) => {
            let entries = std::fs::read_dir(dir).map_err(Error::io("read", dir))?;
            return match entries.filter_map(|e| Some(e.ok()?.file_name())).min() {
                None => Ok(None),
                Some(name) => {
                    let entry = name.to_string_lossy().into_owned();
                    Err(Error::NotEmpty { path: dir.into(), entry })
                }
            };
        }
    };
    let not_ours = |_| Error::NotEmpty { path: dir.into(), entry: MARKER.into() };
    let marker: Marker = serde_json::from_slice(&bytes).map_err(not_ours)?;
    Ok(Some(marker))
}

fn mark(dir: &Path, options: &DemoOptions, complete: bool) -> Result<(), Error> {
    let marker = Marker { options: *options, complete };
    let text = serde_json::to_string(&marker).expect("plain numbers are always JSON");
    write_whole(&dir.join(MARKER), |file| writeln!(file, "{text}"))
}
