//! The demo images: textured shapes drawn by code, as JPEG files in folders like those of ImageNet.

mod picture;
mod shape;

use crate::atomic_file::write_atomic;
use crate::error::{Error, Result};
use crate::parallel::{for_each, thread_count};
use crate::progress::{Progress, Stage};
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;
use picture::draw;
use serde::{Deserialize, Serialize};
use shape::{SHAPES, Shape, TEXTURES, Texture};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The JPEG quality of the demo images.
const QUALITY: u8 = 90;
/// The file with the options of the tree, and whether it is complete.
const MARKER: &str = "demo.json";
/// The smallest side at which the textures can be distinguished.
const MIN_SIDE: usize = 32;
/// Far more than any demo needs.
const MAX_SIDE: usize = 1024;

/// The number and the size of the demo images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoOptions {
    /// The shorter side, 32 to 1024 pixels; the longer side is up to a third longer.
    pub image_size: usize,
    /// The train images of each of the ten classes.
    pub train_per_class: usize,
    /// The val images of each class.
    pub val_per_class: usize,
    /// The seed. Every image is a pure function of seed, split, class and number.
    pub seed: u64,
}

impl DemoOptions {
    /// 4,000 train and 1,000 val images of 96 pixels, which are meant to be prepared at 72 pixels
    /// and cropped to 64.
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
/// The ten classes are five shapes, each dotted or striped. Position, size, rotation, colours,
/// background, clutter and noise vary, so that neither a colour nor a single pixel reveals the
/// class. A complete folder with the same options stays as it is; an incomplete one is drawn again.
/// `progress` may be called by several threads at once.
///
/// # Errors
/// [`Error::NotEmpty`] where the folder holds other files, [`Error::Setting`], [`Error::Io`].
pub fn draw_demo(
    dir: &Path,
    options: &DemoOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<()> {
    let size = options.image_size;
    Error::check((MIN_SIDE..=MAX_SIDE).contains(&size), "image_size", "32 to 1024", &size)?;
    if read_marker(dir)? == Some(Marker { options: *options, complete: true }) {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    mark(dir, options, false)?;
    let mut jobs = Vec::new();
    for (split, count) in [(0, options.train_per_class), (1, options.val_per_class)] {
        for class in 0..10 {
            let (shape, texture) = class_of(class);
            let name = format!("{}-{}", texture.0, shape.0);
            let folder = dir.join(["train", "val"][split]).join(name);
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            jobs.extend((0..count).map(|i| (split, class, i, folder.join(format!("{i:04}.jpg")))));
        }
    }
    let (done, total) = (AtomicU64::new(0), jobs.len() as u64);
    let job = |_: &mut (), (split, class, i, path): &(usize, usize, usize, PathBuf)| {
        let drawn = encode(options, *split, *class, *i);
        let written = drawn.and_then(|bytes| std::fs::write(path, bytes));
        written.map_err(Error::io("write", path))?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress::of(Stage::Drawing, done, total));
        Ok(())
    };
    for_each(thread_count(0), &jobs, || (), job)?;
    mark(dir, options, true)
}

/// Draws one image and encodes it as JPEG.
fn encode(options: &DemoOptions, split: usize, class: usize, i: usize) -> std::io::Result<Vec<u8>> {
    let (shape, texture) = class_of(class);
    // Each image has its own number, with room for 2³² images a class.
    let index = (((split * 10 + class) as u64) << 32) + i as u64;
    let image = draw(options.seed, index, options.image_size, shape, texture);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&image.data, image.width as u32, image.height as u32, Rgb8)
        .map_err(std::io::Error::other)?;
    Ok(bytes)
}

fn class_of(class: usize) -> (Shape, Texture) {
    (SHAPES[class % 5], TEXTURES[class / 5 % 2])
}

/// Reads the marker of the folder. A missing or empty folder has none; one with other files is an
/// error.
fn read_marker(dir: &Path) -> Result<Option<Marker>> {
    let not_ours = |entry: String| Error::NotEmpty { path: dir.into(), entry };
    if let Ok(bytes) = std::fs::read(dir.join(MARKER)) {
        return serde_json::from_slice(&bytes).map(Some).map_err(|_| not_ours(MARKER.into()));
    }
    if !dir.exists() {
        return Ok(None);
    }
    let entries = std::fs::read_dir(dir).map_err(Error::io("read", dir))?;
    match entries.filter_map(|e| Some(e.ok()?.file_name())).min() {
        None => Ok(None),
        Some(name) => Err(not_ours(name.to_string_lossy().into())),
    }
}

fn mark(dir: &Path, options: &DemoOptions, complete: bool) -> Result<()> {
    let marker = Marker { options: *options, complete };
    let text = serde_json::to_string(&marker).expect("plain numbers are always JSON");
    write_atomic(&dir.join(MARKER), |file| writeln!(file, "{text}"))
}
