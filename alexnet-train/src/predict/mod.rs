//! Predictions for any number of images, in their order and in bounded memory: loader threads read
//! and decode, and the views of many images go through the network together.

pub(crate) mod classify;
mod drawn;

use alexnet_data::{Decoder, Pixels, Preprocessing, Views, test_views};
use alexnet_kernels::PoolGuard;
use alexnet_model::Network;

use self::classify::{Classifier, READ};
use self::drawn::Drawn;
use crate::error::Error;
use crate::image_source::ImageSource;
use crate::input::InputStage;
use crate::train::prefetch::prefetch;

/// What a network says of an image.
#[derive(Debug)]
pub struct Prediction {
    /// The image.
    pub source: ImageSource,
    /// Its pixels as training images are stored, of which the network saw crops.
    pub pixels: Pixels,
    /// The probability of each class, averaged over the views.
    pub probabilities: Vec<f64>,
}

/// How images are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Looking {
    /// How files become pixels.
    pub preprocessing: Preprocessing,
    /// Which crops the network sees.
    pub views: Views,
    /// Threads that read and decode; the results do not depend on it.
    pub loader_threads: usize,
}

/// Gives `each` what `network` says of each of `images`, in their order: a [`Prediction`], or why
/// there is none, after which the next image comes. `images` is asked for the next ones as they
/// are needed, so it may have any number of them, and errors of its own.
///
/// # Errors
///
/// Stored images smaller than the network's crops; [`Error::Outputs`] for a network that has
/// diverged; whatever `each` gives.
pub fn predict_images<E: From<Error> + Send>(
    network: &Network,
    input: &InputStage,
    looking: Looking,
    images: impl Iterator<Item = Result<ImageSource, E>> + Send,
    each: &mut dyn FnMut(Result<Prediction, E>) -> Result<(), E>,
) -> Result<(), E> {
    let Looking { preprocessing, views, loader_threads } = looking;
    let ([_, h, w], stored) = (network.spec().input, [preprocessing.height, preprocessing.width]);
    let views = test_views(stored, [h, w], views).map_err(Error::from)?;
    let mut classifier = Classifier::new(network, input, views);
    let together = classifier.together();
    let drawn = Drawn::new(images, READ);
    let fill = |job: u64, batch: &mut Vec<Loaded<E>>| {
        let mut decoder = preprocessing.decoder();
        let load = |image: Result<ImageSource, E>| image.and_then(|i| load(i, &mut decoder));
        batch.extend(drawn.job(job).into_iter().map(load));
        Ok(())
    };
    let _memory = PoolGuard::new(); // each batch reuses the buffers of the previous one
    prefetch(loader_threads, 0..u64::MAX, fill, |loaded| {
        let mut waiting = Vec::new();
        loop {
            let mut batch = loaded.next().unwrap_or(Err(Error::LoaderGone))?;
            let is_last = batch.is_empty();
            waiting.append(&mut batch);
            loaded.give_back(batch);
            if waiting.iter().filter(|image| image.is_ok()).count() >= together || is_last {
                predict(&mut classifier, &mut waiting, each)?;
            }
            if is_last {
                return Ok(());
            }
        }
    })
}

/// An image that was read and decoded, or why it could not be.
type Loaded<E> = Result<(ImageSource, Pixels), E>;

fn load<E: From<Error>>(source: ImageSource, decoder: &mut Decoder) -> Loaded<E> {
    let pixels = source.decode(decoder)?;
    Ok((source, pixels))
}

/// Predicts the images that wait, and gives `each` the outcomes.
fn predict<E: From<Error>>(
    classifier: &mut Classifier<'_>,
    waiting: &mut Vec<Loaded<E>>,
    each: &mut dyn FnMut(Result<Prediction, E>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut images, mut sources) = (Vec::new(), Vec::new());
    for image in waiting.drain(..) {
        sources.push(image.map(|(source, pixels)| {
            images.push(pixels);
            source
        }));
    }
    let rows = classifier.classify(&images)?;
    let mut seen = images.into_iter().zip(rows);
    for source in sources {
        match source {
            Err(error) => each(Err(error))?,
            Ok(source) => {
                let (pixels, probabilities) = seen.next().ok_or(Error::LoaderGone)?;
                each(Ok(Prediction { source, pixels, probabilities }))?;
            }
        }
    }
    Ok(())
}
