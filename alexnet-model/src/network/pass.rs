//! Forward and backward pass of a network, on one device or several.
//!
//! The towers run the same layers side by side, and each layer is begun on every device before the
//! next one is: a GPU works on what is in its stream while the others are given theirs. Before a
//! layer that reads all towers' activations these are gathered on each device. In the backward pass
//! each tower computes its part of the gradient with respect to all of them, and the parts are
//! summed and scattered. One device has one tower, and nothing to exchange.

use candle_core::{Module, Result, Tensor, bail};

use super::Network;
use super::collective::{Place, all_gather, gather, reduce_scatter, scatter, send};
use super::frozen::FrozenLayers;
use super::fused_layer::{FusedLayer, Mode};
use super::tape::{Tape, TowerTape};
use super::tower::Tower;

/// The images of a pass, `(B, C, H, W)`, or in the blocks that
/// [`image_blocks`](Network::image_blocks) says.
#[derive(Debug, Clone, Copy)]
pub enum Images<'a> {
    /// One tensor, of which each device gets a copy.
    One(&'a Tensor),
    /// The same images on each of the network's devices, in their order.
    Each(&'a [Tensor]),
}

impl<'a> From<&'a Tensor> for Images<'a> {
    fn from(images: &'a Tensor) -> Self {
        Self::One(images)
    }
}

impl<'a> From<&'a [Tensor]> for Images<'a> {
    fn from(images: &'a [Tensor]) -> Self {
        Self::Each(images)
    }
}

impl Network {
    /// Images `(B, C, H, W)` to logits `(B, classes)`, on the first device. With parameters that
    /// are candle variables the result can be differentiated by candle.
    ///
    /// # Errors
    ///
    /// Images of another shape than the network's input, or on another number of devices; whatever
    /// an operation refuses.
    pub fn forward<'a>(&self, images: impl Into<Images<'a>>, mode: Mode) -> Result<Tensor> {
        let mut xs = self.inputs(images.into())?; // (B, C, H, W) on each device
        for number in 0..self.depth() {
            if self.all_gathers(number) {
                xs = all_gather(&xs)?;
            }
            let run = |(tower, x): (&Tower, Tensor)| {
                tower.layers[number].forward(&tower.parameters, &x, mode)
            };
            xs = self.towers.iter().zip(xs).map(run).collect::<Result<_>>()?;
        }
        gather(&xs) // (B, classes)
    }

    /// The same as [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs: of
    /// `frozen` layers nothing.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_tape<'a>(
        &self,
        images: impl Into<Images<'a>>,
        mode: Mode,
        frozen: FrozenLayers,
    ) -> Result<Tape> {
        let mut xs = self.inputs(images.into())?; // (B, C, H, W) on each device
        let mut tapes: Vec<TowerTape> = vec![Vec::with_capacity(self.depth()); self.towers.len()];
        for number in 0..self.depth() {
            if self.all_gathers(number) {
                xs = all_gather(&xs)?;
            }
            for ((tower, x), tape) in self.towers.iter().zip(&mut xs).zip(&mut tapes) {
                let layer = frozen.layer(&tower.layers[number], number);
                let (y, saved) = match frozen.has(number) {
                    true => (layer.forward(&tower.parameters, x, mode)?, Vec::new()),
                    false => layer.forward_tape(&tower.parameters, x, mode)?,
                };
                *x = y;
                tape.push(saved);
            }
        }
        Ok(Tape { towers: tapes, logits: gather(&xs)?, mode, frozen })
    }

    /// Runs the layers backwards from `gradient`, that of the loss with respect to the logits
    /// `(B, classes)`, and gives `update` the gradient with respect to each parameter as soon as
    /// nothing needs the parameter's old values any more: its index in
    /// [`parameters`](Self::parameters), and a gradient laid out in memory as the parameter is.
    /// Activations are dropped on the way. The gradient with respect to the images is not computed,
    /// and where the first layers are frozen none with respect to what they compute or hold.
    ///
    /// # Errors
    ///
    /// A tape of another network; whatever an operation or `update` refuses.
    pub fn backward(
        &self,
        tape: Tape,
        gradient: Tensor,
        update: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let Tape { towers: mut tapes, mode, frozen, .. } = tape;
        let fits = |tape: &TowerTape| tape.len() == self.depth();
        if tapes.len() != self.towers.len() || !tapes.iter().all(fits) {
            bail!("the tape is not of this network")
        }
        let each = self.towers[0].parameters.len();
        let last = self.depth() - 1;
        let mut dys = scatter(gradient, &self.places(last))?; // (B, its classes) on each device
        for number in (frozen.0..=last).rev() {
            let mut dxs = Vec::new(); // none of the first layer that is trained
            let towers = self.towers.iter().zip(&mut tapes).zip(dys).enumerate();
            for (place, ((tower, tape), dy)) in towers {
                let layer = frozen.layer(&tower.layers[number], number);
                let saved = tape.pop().unwrap_or_default();
                let gradients = layer.backward(&tower.parameters, &saved, &dy, mode)?;
                for (index, gradient) in &gradients.parameters {
                    update(place * each + index, gradient)?;
                }
                dxs.extend(gradients.input);
            }
            if self.all_gathers(number) && number > frozen.0 {
                dxs = reduce_scatter(dxs, &self.places(number - 1))?;
            }
            dys = dxs;
        }
        Ok(())
    }

    /// How many layers each tower runs, at least one.
    pub(super) fn depth(&self) -> usize {
        self.towers[0].layers.len()
    }

    /// Whether layer `number` reads the activations of all towers; so do all towers' then.
    fn all_gathers(&self, number: usize) -> bool {
        self.towers[0].layers[number].all_gather
    }

    /// Which outputs of layer `number` each tower computes, and where.
    fn places(&self, number: usize) -> Vec<Place<'_>> {
        let channels = |layer: &FusedLayer| layer.share.range();
        self.towers.iter().map(|tower| (channels(&tower.layers[number]), tower.device())).collect()
    }

    /// The images on each device.
    fn inputs(&self, images: Images<'_>) -> Result<Vec<Tensor>> {
        let (name, input, devices) = (&self.spec.name, self.spec.input, self.towers.len());
        let images = match images {
            Images::One(images) => send(self.towers.iter().map(|tower| (images, tower.device())))?,
            Images::Each(images) if images.len() == devices => images.to_vec(),
            Images::Each(images) => {
                bail!("images for {} devices, but network `{name}` is on {devices}", images.len())
            }
        };
        let blocks = self.image_blocks()?.map(|blocks| blocks.shape(0, input[0]));
        for images in &images {
            let (_, c, h, w) = images.dims4()?;
            if [c, h, w] != input && blocks.is_none_or(|blocks| [0, c, h, w] != blocks) {
                bail!("images are {:?}, but network `{name}` takes {input:?}", [c, h, w])
            }
        }
        Ok(images)
    }
}

impl Module for Network {
    /// Evaluation: images `(B, C, H, W)` to logits `(B, classes)`.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Self::forward(self, images, Mode::Test)
    }
}
