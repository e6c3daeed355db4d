//! Features: the outputs of a layer for many images, in bounded memory.

pub(crate) mod file;
pub(crate) mod gradients;

use alexnet_data::{Batch, Pixels, Preprocessing, Split, View, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::Network;
use candle_core::{DType, Device, Tensor};

use crate::error::Error;
use crate::image_source::ImageSource;
use crate::input::InputStage;
use crate::train::device_batches::DeviceBatches;
use crate::train::prefetch::prefetch;

/// Images in a forward pass.
const BATCH: usize = 128;

/// The images whose features are asked for.
#[derive(Debug, Clone, Copy)]
pub enum FeatureImages<'a> {
    /// All records of a split, in their order.
    Split(&'a Split),
    /// Some records of a split, by their numbers.
    Records(&'a Split, &'a [usize]),
    /// Image files, which become pixels as the network's training images did.
    Files(&'a [ImageSource], Preprocessing),
}

/// Runs `network` on the centre crop of each image, in evaluation, and gives `each` the outputs of
/// `layer` for the next images: f32 `(B, C, H, W)` or `(B, N)`, row-major, in the host's memory.
/// `inputs` are for the device of each of the network's towers. The result depends neither on
/// `loader_threads`, which read and decode, nor on the number of cores.
///
/// # Errors
///
/// A layer that the network does not have, with the nearest one; a record or a file that cannot be
/// read, by its path; images smaller than the network's crops; whatever `each` gives.
pub fn features(
    network: &Network,
    images: FeatureImages<'_>,
    inputs: &[InputStage],
    layer: &str,
    loader_threads: usize,
    each: &mut dyn FnMut(&Tensor) -> Result<(), Error>,
) -> Result<(), Error> {
    network.spec().output_of(layer)?; // the clearer error
    let compute = &mut |input: &[Tensor]| Ok(network.activations(input, layer)?);
    centre_crops(network, images, inputs, loader_threads, compute, &mut |outputs| {
        let outputs = outputs.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        each(&outputs.contiguous()?)
    })
}

/// Runs the centre crops of all images through `compute`, as the network's input `(B, 3, h, w)` on
/// each device, and gives `done` what it makes of each batch. On a GPU the next batch is sent
/// between the two.
fn centre_crops<T>(
    network: &Network,
    images: FeatureImages<'_>,
    inputs: &[InputStage],
    loader_threads: usize,
    compute: &mut dyn FnMut(&[Tensor]) -> Result<T, Error>,
    done: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let [_, h, w] = network.spec().input;
    let centre = test_views(images.stored(), [h, w], Views::One)?;
    let jobs = images.count().div_ceil(BATCH) as u64;
    let fill = |job: u64, batch: &mut Batch| {
        let first = job as usize * BATCH;
        images.fill(first..(first + BATCH).min(images.count()), [h, w], &centre, batch)
    };
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    prefetch(loader_threads, 0..jobs, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, inputs)?;
        for _ in 0..jobs {
            let (batch, _) = batches.next()?;
            let input = batches.images(&batch, 1.0)?; // (B, 3, h, w) on each device
            let outputs = compute(&input)?;
            drop(input);
            batches.release(batch)?;
            done(outputs)?;
        }
        Ok(())
    })
}

impl FeatureImages<'_> {
    /// How many they are.
    pub fn count(&self) -> usize {
        match self {
            Self::Split(split) => split.len(),
            Self::Records(_, records) => records.len(),
            Self::Files(files, _) => files.len(),
        }
    }

    /// Height and width of an image, of which the network sees a crop.
    fn stored(&self) -> [usize; 2] {
        match self {
            Self::Split(split) | Self::Records(split, _) => [split.height(), split.width()],
            Self::Files(_, preprocessing) => [preprocessing.height, preprocessing.width],
        }
    }

    /// Fills `batch` with the `centre` crop of consecutive images.
    fn fill(
        &self,
        images: std::ops::Range<usize>,
        crop: [usize; 2],
        centre: &[View],
        batch: &mut Batch,
    ) -> Result<(), Error> {
        match *self {
            Self::Split(split) => Ok(batch.fill_views(split, images, crop, centre[0])?),
            Self::Records(split, records) => {
                let pixels = records[images].iter().map(|record| {
                    let stored = split.record(*record)?.pixels.into_owned();
                    Ok(Pixels::new(split.height(), split.width(), stored))
                });
                let pixels = pixels.collect::<Result<Vec<_>, Error>>()?;
                Ok(batch.fill_images(&pixels, crop, centre)?)
            }
            Self::Files(files, preprocessing) => {
                let mut decoder = preprocessing.decoder();
                let pixels = files[images].iter().map(|file| file.decode(&mut decoder));
                let pixels = pixels.collect::<Result<Vec<_>, _>>()?;
                Ok(batch.fill_images(&pixels, crop, centre)?)
            }
        }
    }
}

/// The outputs of a layer as one row for each image: `features` gives them to `each`.
///
/// # Errors
///
/// Outputs of another dtype than f32.
pub fn feature_rows(outputs: &Tensor) -> Result<Vec<Vec<f32>>, Error> {
    Ok(outputs.flatten_from(1)?.to_vec2()?)
}
