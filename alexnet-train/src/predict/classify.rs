//! The classes of decoded images: their views through a network, and the mean of what it says.

use alexnet_data::{Batch, Pixels, View, Views, test_views};
use alexnet_model::{Mode, Network};

use crate::error::Error;
use crate::evaluate::pass::pad;
use crate::evaluate::probabilities::probabilities;
use crate::input::InputStage;

/// Views in a forward pass.
const VIEWS: usize = 128;
/// Images that a loader thread reads at a time: few, so that all threads have some.
pub(super) const READ: usize = 4;

/// The probability of each class for one decoded image, averaged over its views.
///
/// # Errors
///
/// An image smaller than the network's crops; [`Error::Outputs`] for a network that has diverged.
pub fn classify(
    network: &Network,
    input: &InputStage,
    image: &Pixels,
    views: Views,
) -> Result<Vec<f64>, Error> {
    let [_, h, w] = network.spec().input;
    let views = test_views([image.height, image.width], [h, w], views)?;
    let mut rows = Classifier::new(network, input, views).classify(std::slice::from_ref(image))?;
    rows.pop().ok_or(Error::Outputs)
}

/// A network that is shown the same views of one image after another.
pub(super) struct Classifier<'a> {
    network: &'a Network,
    input: &'a InputStage,
    views: Vec<View>,
    batch: Batch,
    /// The most views that a pass has had.
    most: usize,
}

impl<'a> Classifier<'a> {
    pub(super) fn new(network: &'a Network, input: &'a InputStage, views: Vec<View>) -> Self {
        Self { network, input, views, batch: Batch::new(), most: 0 }
    }

    /// How many images go through the network together: as many as are read together, or a
    /// multiple of it, where so many fit.
    pub(super) fn together(&self) -> usize {
        match VIEWS / self.views.len().max(1) {
            fit @ 0..READ => fit.max(1),
            fit => fit / READ * READ,
        }
    }

    /// The probabilities of the classes of each image, averaged over its views.
    pub(super) fn classify(&mut self, images: &[Pixels]) -> Result<Vec<Vec<f64>>, Error> {
        let mut means = Vec::with_capacity(images.len());
        for images in images.chunks(self.together()) {
            let mut sums = vec![Vec::new(); images.len()];
            for first in (0..self.views.len()).step_by(VIEWS) {
                self.add(images, first, &mut sums)?;
            }
            means.append(&mut sums);
        }
        let views = self.views.len() as f64;
        means.iter_mut().flatten().for_each(|sum| *sum /= views);
        match means.iter().flatten().all(|p| p.is_finite()) {
            true => Ok(means),
            false => Err(Error::Outputs),
        }
    }

    /// Adds the probabilities of the views from `first` on, as many as a pass has, to the sums of
    /// each image.
    fn add(&mut self, images: &[Pixels], first: usize, sums: &mut [Vec<f64>]) -> Result<(), Error> {
        let Self { network, input, views, batch, most } = self;
        let [_, h, w] = network.spec().input;
        let views = &views[first..(first + VIEWS).min(views.len())];
        batch.fill_images(images, [h, w], views)?;
        *most = batch.len().max(*most);
        if input.compute.is_async() {
            // For a last batch of another size a GPU would search for the fastest algorithms again.
            pad(batch, *most);
        }
        let pixels = input.run(batch, 1.0)?; // (images · views, 3, h, w), an image after the other
        let rows = probabilities(&network.forward(&pixels, Mode::Test)?)?; // (…, classes)
        for (sums, rows) in sums.iter_mut().zip(rows.chunks(views.len())) {
            for row in rows {
                sums.resize(row.len(), 0.0);
                sums.iter_mut().zip(row).for_each(|(sum, p)| *sum += p);
            }
        }
        Ok(())
    }
}
