//! How much memory a training step needs, worked out from the layers: the forward pass, the backward walk and the
//! update as `walk.rs` makes them, with lengths in the place of tensors.

use std::collections::BTreeMap;

use crate::stage::{Needs, stages};
use crate::{Layers, Op, Shape, Stage};

/// What a training step needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepMemory {
    /// Weights, biases and velocities, and the weights once more where products read another type.
    pub parameters: u64,
    /// The most that activations, gradients and scratch have at one time: what a pool needs that gives out freed
    /// memory for any length.
    pub activations: u64,
    /// The same where freed memory is used again for the same length only, as
    /// [`KeepMemory`](alexnet_kernels::KeepMemory) does.
    pub activations_by_length: u64,
}

impl StepMemory {
    /// With a pool that gives out freed memory for any length.
    pub fn total(&self) -> u64 {
        self.parameters + self.activations
    }
}

/// Memory that is taken and given back.
#[derive(Debug, Default)]
struct Ledger {
    live: u64,
    most: u64,
    lengths: BTreeMap<u64, [u64; 2]>, // of a length: how many are live, and the most that were
}

impl Ledger {
    fn take(&mut self, bytes: u64) -> u64 {
        self.live += bytes;
        self.most = self.most.max(self.live);
        let [live, most] = self.lengths.entry(bytes).or_default();
        *live += 1;
        *most = (*most).max(*live);
        bytes
    }

    fn give(&mut self, bytes: u64) {
        self.live -= bytes;
        if let Some([live, _]) = self.lengths.get_mut(&bytes) {
            *live -= 1;
        }
    }

    fn by_length(&self) -> u64 {
        self.lengths.iter().map(|(bytes, [_, most])| bytes * most).sum()
    }
}

impl Layers {
    /// What a step with batches of `batch` images needs, with activations of `bytes` each: 4 for f32, 2 for bf16.
    /// Pixels as bytes, libraries' workspaces and the program itself come to it.
    pub fn step_memory(&self, batch: usize, bytes: usize) -> StepMemory {
        let of = |shape: Shape| (shape.len() * batch * bytes) as u64;
        let layers: Vec<_> = self.iter().collect();
        let scratch = |stage: &Stage| {
            scratch(layers[stage.layer].op, layers[stage.layer].input, batch, bytes)
        };
        let (stages, mut ledger) = (stages(self), Ledger::default());

        // Forward: what a stage reads stays where a backward pass needs it.
        let mut x = ledger.take(layers.first().map_or(0, |first| of(first.input)));
        let (mut before, mut kept) = (Needs::Nothing, Vec::new()); // of each stage: input kept, argmax, joined
        for (number, stage) in stages.iter().enumerate() {
            let layer = layers[stage.layer];
            let (crosses, input) =
                (self.crosses(stage.layer), stage.needs(layer.op) == Needs::Input);
            let used = before == Needs::Output || input && !crosses;
            // What all towers put out, side by side, and what the others sent for that.
            let joined = ledger.take(if crosses { of(layer.input) } else { 0 });
            let sent = ledger.take(joined - if crosses { x } else { 0 });
            ledger.give(sent);
            let extra = ledger.take(scratch(stage)[0]);
            let y = ledger.take(of(layer.output));
            let argmax = match layer.op {
                Op::MaxPool(pool) => {
                    let each = if pool.kernel <= 15 { 1 } else { 4 };
                    ledger.take((layer.output.len() * batch * each) as u64)
                }
                _ => ledger.take(0),
            };
            ledger.give(extra);
            if !input {
                ledger.give(joined);
            }
            // The images are the caller's until the step is over.
            if !used && number > 0 {
                ledger.give(x);
            }
            kept.push(((used && number > 0).then_some(x), argmax, input.then_some(joined)));
            before = stage.needs(layer.op);
            x = y;
        }

        // Backward: the gradient by a stage's input while that by its output is there.
        let logits = x;
        let mut dy = ledger.take(logits);
        for (number, stage) in stages.iter().enumerate().rev() {
            let layer = layers[stage.layer];
            let extra = ledger.take(scratch(stage)[1]);
            let dx = ledger.take(if number > 0 { of(layer.input) } else { 0 });
            let weights = ledger.take(layer.parameters() * bytes as u64);
            ledger.give(weights);
            ledger.give(extra);
            ledger.give(dy);
            // Each tower's share of what the towers found, and from that the sum.
            let mut dx = dx;
            if self.crosses(stage.layer) {
                let parts = ledger.take(dx);
                ledger.give(dx);
                dx = ledger.take(of(layers[stage.layer - 1].output));
                ledger.give(parts);
            }
            // What the stage behind read is this one's output.
            kept.get(number + 1).and_then(|(x, ..)| *x).into_iter().for_each(|x| ledger.give(x));
            ledger.give(kept[number].1);
            kept[number].2.into_iter().for_each(|joined| ledger.give(joined));
            dy = dx;
        }
        let count: u64 = layers.iter().map(|l| l.parameters()).sum();
        let copies = if bytes == 4 { 0 } else { count * bytes as u64 };
        StepMemory {
            parameters: 8 * count + copies,
            activations: ledger.most,
            activations_by_length: ledger.by_length(),
        }
    }
}

/// Scratch of a stage forward and backward: maps with their padding around them where a convolution's sides differ
/// and it runs on a card, and what the norm within a map sums.
fn scratch(op: Op, input: Shape, batch: usize, bytes: usize) -> [u64; 2] {
    match (op, input) {
        (Op::Conv(conv), Shape::Map(c, h, w)) => {
            let p = conv.padding;
            if p.top == p.bottom && p.left == p.right {
                return [0; 2];
            }
            let padded = (h + p.top + p.bottom) * (w + p.left + p.right) * c;
            [(padded * batch * bytes) as u64; 2]
        }
        (Op::MapNorm(_), _) => [0, (2 * 4 * input.len() * batch) as u64],
        _ => [0; 2],
    }
}
