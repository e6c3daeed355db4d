//! A pass through a network: forward for anyone, and the backward walk for training; on one device, or over the towers
//! of a network that is split.
//!
//! The towers go through the same stages side by side, and each stage is begun on every device before the next is: what
//! is put into the stream of a card runs while the others get theirs. Where a stage reads every tower's activations,
//! each device is sent the others'; on the way back each works out its part of the gradient by all of them, sends the
//! others theirs and adds what it gets, in the order of the towers. On one device there is one tower and none of this.

mod crossing;

use alexnet_kernels::recycle;
use candle_core::{Module, Result, Tensor, bail};

use self::crossing::{join, logits};
use crate::stage::Needs;
use crate::{Mode, Network, Saved, Stage};

/// What a forward pass leaves for the backward walk, and the logits.
#[derive(Debug)]
pub struct Tape {
    /// One for each tower.
    reels: Vec<Reel>,
    logits: Tensor,
    mode: Mode,
}

/// What the forward pass of one tower leaves.
#[derive(Debug, Default)]
struct Reel {
    /// The tower's activations before, between and behind the stages, where a stage needs them.
    between: Vec<Option<Tensor>>,
    /// The activations of all towers before each stage that needs them.
    joined: Vec<Option<Tensor>>,
    /// The argmax of each stage that pools.
    argmax: Vec<Option<Tensor>>,
}

impl Tape {
    /// What the last layer gave: `(B, classes)`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }
}

impl Network {
    /// Images `(B, C, H, W)` to logits `(B, classes)`. With parameters that are candle variables the
    /// result can be differentiated by candle.
    ///
    /// # Errors
    ///
    /// Images of another shape than the network's input; whatever an operation refuses.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        Walk::of(self).forward(std::slice::from_ref(images), mode)
    }

    /// The same as [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_tape(&self, images: &Tensor, mode: Mode) -> Result<Tape> {
        Walk::of(self).forward_tape(std::slice::from_ref(images), mode)
    }

    /// Walks the layers backwards from `gradient`, the loss by the logits `(B, classes)`, and hands each
    /// parameter's gradient to `update` as soon as nothing needs the parameter's old values any more:
    /// its index in [`parameters`](Self::parameters), and a gradient laid out in memory as it is.
    /// Activations are dropped on the way. The images' own gradient is not worked out.
    ///
    /// Under a [`KeepMemory`](alexnet_kernels::KeepMemory) a gradient is used again once `update` has returned:
    /// what is to stay must be copied, a clone shares the memory.
    ///
    /// # Errors
    ///
    /// Whatever an operation or `update` refuses.
    pub fn backward(
        &self,
        tape: Tape,
        gradient: Tensor,
        update: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<()> {
        Walk::of(self).backward(tape, gradient, &mut |_, index, g| update(index, g))
    }
}

/// The towers that a pass goes through: a whole network is one.
pub(crate) struct Walk<'a>(pub(crate) &'a [Network]);

impl<'a> Walk<'a> {
    fn of(network: &'a Network) -> Self {
        Self(std::slice::from_ref(network))
    }

    fn stages(&self) -> &'a [Stage] {
        self.0.first().map_or(&[], Network::stages)
    }

    /// Whether `stage` reads the activations of all towers.
    fn crosses(&self, stage: Stage) -> bool {
        self.0.first().is_some_and(|tower| tower.layers().crosses(stage.layer))
    }

    /// As [`Network::forward`], the images on the device of each tower.
    pub(crate) fn forward(&self, images: &[Tensor], mode: Mode) -> Result<Tensor> {
        self.check_images(images)?;
        let mut xs = images.to_vec();
        for (number, &stage) in self.stages().iter().enumerate() {
            if self.crosses(stage) {
                let joined = join(&xs)?;
                std::mem::replace(&mut xs, joined).into_iter().for_each(recycle);
            }
            let ys = self.0.iter().zip(&xs).map(|(tower, x)| tower.apply(stage, x, mode));
            let ys = ys.collect::<Result<Vec<_>>>()?;
            // Candle's graph of operations, where there is one, holds on to `x`.
            let spent = number > 0 && ys.iter().all(|y| !y.track_op());
            let xs = std::mem::replace(&mut xs, ys);
            xs.into_iter().filter(|_| spent).for_each(recycle);
        }
        let logits = logits(&xs)?;
        if xs.len() > 1 {
            xs.into_iter().for_each(recycle);
        }
        Ok(logits)
    }

    /// As [`Network::forward_tape`], the images on the device of each tower.
    pub(crate) fn forward_tape(&self, images: &[Tensor], mode: Mode) -> Result<Tape> {
        self.check_images(images)?;
        let mut reels: Vec<Reel> = self.0.iter().map(|_| Reel::default()).collect();
        let (mut xs, mut before) = (images.to_vec(), Needs::Nothing);
        for (number, &stage) in self.stages().iter().enumerate() {
            let crosses = self.crosses(stage);
            let joined = if crosses { Some(join(&xs)?) } else { None };
            let (mut ys, mut needs) = (Vec::new(), Needs::Nothing);
            let inputs = joined.as_ref().unwrap_or(&xs);
            for ((tower, x), reel) in self.0.iter().zip(inputs).zip(&mut reels) {
                let pass = tower.forward_stage(stage, x, mode)?;
                needs = stage.needs(tower.op(stage.layer)?);
                reel.argmax.push(pass.argmax);
                ys.push(pass.output);
            }
            let input = needs == Needs::Input;
            let used = before == Needs::Output || input && !crosses;
            let mut joined = joined.into_iter().flatten();
            for (x, reel) in std::mem::replace(&mut xs, ys).into_iter().zip(&mut reels) {
                reel.between.push(kept(x, used, number > 0));
                reel.joined.push(joined.next().and_then(|joined| kept(joined, input, true)));
            }
            before = needs;
        }
        let logits = logits(&xs)?;
        let used = before == Needs::Output;
        for (x, reel) in xs.into_iter().zip(&mut reels) {
            reel.between.push(kept(x, used, self.0.len() > 1));
        }
        Ok(Tape { reels, logits, mode })
    }

    /// As [`Network::backward`]; `update` hears of the tower too.
    pub(crate) fn backward(
        &self,
        tape: Tape,
        gradient: Tensor,
        update: &mut dyn FnMut(usize, usize, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let Tape { mut reels, mode, .. } = tape;
        let stages = self.stages();
        let fits = |r: &Reel| r.argmax.len() == stages.len() && r.between.len() == stages.len() + 1;
        if reels.len() != self.0.len() || !reels.iter().all(fits) {
            bail!("the tape is not of this network")
        }
        let split = self.0.len() > 1;
        let mut dys =
            if split { crossing::part_by_tower(self.0, &gradient)? } else { vec![gradient] };
        let mut own = split; // whether the gradients in `dys` were made here
        for (number, &stage) in stages.iter().enumerate().rev() {
            let mut dxs = Vec::new();
            for (place, (tower, reel)) in self.0.iter().zip(&mut reels).enumerate() {
                let (output, argmax) = (reel.between.pop().flatten(), reel.argmax.pop().flatten());
                let joined = reel.joined.pop().flatten();
                let before = reel.between.last().and_then(Option::as_ref);
                let input = joined.as_ref().or(before);
                let saved = Saved { input, output: output.as_ref(), argmax: argmax.as_ref() };
                let gradients = tower.backward_stage(stage, saved, &dys[place], mode)?;
                let first = tower.first_parameter(stage.layer);
                if let (Some([weight, bias]), Some(first)) = (gradients.parameters, first) {
                    update(place, first, &weight)?;
                    update(place, first + 1, &bias)?;
                    recycle(weight); // the bias lies behind it
                }
                let last = number + 1 == stages.len() && !split;
                let output = output.filter(|_| !last); // the logits may be someone else's
                output.into_iter().chain(argmax).chain(joined).for_each(recycle);
                dxs.extend(gradients.input); // none for the first stage
            }
            if self.crosses(stage) {
                dxs = crossing::part_sums(self.0, stage, dxs)?;
            }
            let done = std::mem::replace(&mut dys, dxs);
            done.into_iter().filter(|_| own).for_each(recycle);
            own = true;
        }
        Ok(())
    }

    fn check_images(&self, images: &[Tensor]) -> Result<()> {
        let Some(first) = self.0.first() else { bail!("a network without towers") };
        let (input, name) = (first.spec().input, &first.spec().name);
        if images.len() != self.0.len() {
            bail!(
                "images for {} devices, but network `{name}` is on {}",
                images.len(),
                self.0.len()
            )
        }
        for images in images {
            let (_, c, h, w) = images.dims4()?;
            if [c, h, w] != input {
                bail!("images are {:?}, but network `{name}` takes {input:?}", [c, h, w])
            }
        }
        Ok(())
    }
}

/// `x` if it is `used` later; else its memory is given back if it is `own`, made here.
fn kept(x: Tensor, used: bool, own: bool) -> Option<Tensor> {
    if used {
        return Some(x);
    }
    if own {
        recycle(x);
    }
    None
}

impl Module for Network {
    /// Evaluation: images `(B, C, H, W)` to logits `(B, classes)`.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Self::forward(self, images, Mode::Test)
    }
}
