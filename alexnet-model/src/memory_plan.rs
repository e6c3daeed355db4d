//! How much memory a training step needs, worked out from the list of layers that runs.
//!
//! Each layer says which tensors it makes and until when they are needed; the plan adds up those
//! that are there at the same moment. A pass takes two moments a layer, since a layer of a split
//! network first gathers its input, and scatters the gradient with respect to it in the end:
//!
//! ```text
//! forward of layer i of n    gathers at 2i, computes at 2i + 1
//! loss                       at 2n
//! backward of layer i        computes at 4n − 2i − 1, scatters at 4n − 2i
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::network::fused_layer::{FusedLayer, Saves};
use crate::spec::LayerKind;
use crate::spec::shapes::Shape;

/// What a training step needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepMemory {
    /// Weights, biases and velocities, and the weights once more where matmuls read another type.
    pub parameters: u64,
    /// What is there between forward and backward pass: the images, the logits and what the tape
    /// has saved.
    pub saved: u64,
    /// The most that activations, gradients and scratch have at one time: what a pool needs that
    /// gives out freed memory for any length.
    pub activations: u64,
    /// The same where freed memory is used again for the same length only.
    pub activations_by_length: u64,
}

/// One tensor of a step, or several of one length, and when it is there.
struct Buffer {
    bytes: u64,
    moments: RangeInclusive<usize>,
}

impl StepMemory {
    /// What a step of these layers needs with batches of `batch` images and activations of `bytes`
    /// each: 4 for f32, 2 for bf16. Pixels as bytes, libraries' workspaces and the program itself
    /// come to it.
    ///
    /// # Example
    ///
    /// ```
    /// # use alexnet_model::{NetworkSpec, StepMemory};
    /// let layers = NetworkSpec::preset("original")?.fused_layers()?;
    /// let step = StepMemory::new(&layers, 128, 4);
    /// assert_eq!(step.parameters, 8 * 60_965_224);
    /// assert_eq!(step.total() >> 20, 1_270); // MiB
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn new(layers: &[FusedLayer], batch: usize, bytes: usize) -> Self {
        let buffers = buffers(layers, batch, bytes);
        let there = |moment| buffers.iter().filter(move |b| b.moments.contains(&moment));
        let loss = 2 * layers.len();
        let (mut activations, mut lengths) = (0, BTreeMap::<u64, u64>::new());
        for moment in 0..=2 * loss {
            let mut live = BTreeMap::<u64, u64>::new(); // of a length: how many there are
            there(moment).for_each(|buffer| *live.entry(buffer.bytes).or_default() += 1);
            activations = activations.max(live.iter().map(|(bytes, count)| bytes * count).sum());
            for (bytes, count) in live {
                let most = lengths.entry(bytes).or_default();
                *most = count.max(*most);
            }
        }
        let count: u64 = layers.iter().map(FusedLayer::parameter_count).sum();
        let copies = if bytes == 4 { 0 } else { count * bytes as u64 };
        Self {
            parameters: 8 * count + copies,
            saved: there(loss).filter(|b| *b.moments.start() < loss).map(|b| b.bytes).sum(),
            activations,
            activations_by_length: lengths.iter().map(|(bytes, count)| bytes * count).sum(),
        }
    }

    /// With a pool that gives out freed memory for any length.
    pub fn total(&self) -> u64 {
        self.parameters + self.activations
    }
}

/// All tensors of a step.
fn buffers(layers: &[FusedLayer], batch: usize, bytes: usize) -> Vec<Buffer> {
    let of = |shape: Shape| (shape.elem_count() * batch * bytes) as u64;
    let n = layers.len();
    let (end, backward) = (4 * n, |i: usize| 4 * n - 2 * i - 1);
    let mut buffers = Vec::new();
    let mut add = |bytes, moments| buffers.push(Buffer { bytes, moments });
    add(layers.first().map_or(0, |first| of(first.input)), 0..=end); // the images
    for (i, layer) in layers.iter().enumerate() {
        let (forward, backward, next) = (2 * i + 1, backward(i), layers.get(i + 1));
        let (input, output) = (of(layer.input), of(layer.output));
        // The output: the next layer reads it, or gathers it, and either may save it.
        let until = match next {
            None => end, // the logits
            Some(_) if layer.saves() == Saves::Output => backward,
            Some(next) if next.all_gather => forward + 1,
            Some(next) if next.saves().input() => backward - 2,
            Some(_) => forward + 2,
        };
        add(output, forward..=until);
        if let Some(pool) = layer.max_pool() {
            let each = if pool.kernel <= 15 { 1 } else { 4 };
            add((layer.output.elem_count() * batch * each) as u64, forward..=backward);
        }
        if layer.all_gather {
            let saved = layer.saves().input();
            let own = layers[i - 1].output;
            add(input, forward - 1..=if saved { backward } else { forward });
            add(input - of(own), forward - 1..=forward - 1); // what the other towers sent
            add(input, backward..=backward + 1); // the gradient with respect to all of it
            add(input, backward + 1..=backward + 1); // each tower's part of what the towers have
        }
        // The gradient with respect to the output. Scattered, it is a part that is there already.
        let from = match next {
            None => 2 * n,
            Some(next) if next.all_gather => backward,
            Some(_) => backward - 2,
        };
        add(output, from..=backward);
        add(layer.parameter_count() * bytes as u64, backward..=backward);
        let [scratch_forward, scratch_backward] = scratch(layer, batch, bytes);
        add(scratch_forward, forward..=forward);
        add(scratch_backward, backward..=backward);
    }
    buffers
}

/// Scratch of a layer, forward and backward: a convolution's input with its padding around it,
/// where the sides differ and a GPU runs it, the sums of the norm within a map, and what is between
/// an LRN and the pooling that is fused into it, where it is in memory.
fn scratch(layer: &FusedLayer, batch: usize, bytes: usize) -> [u64; 2] {
    match (layer.kind, layer.input) {
        (LayerKind::Conv { pad: [top, bottom, left, right], .. }, Shape::Map(c, h, w))
            if top != bottom || left != right =>
        {
            [((h + top + bottom) * (w + left + right) * c * batch * bytes) as u64; 2]
        }
        (LayerKind::Lrn { .. }, input) if layer.pool.is_some() => {
            [(input.elem_count() * batch * bytes) as u64; 2]
        }
        (LayerKind::MapNorm { .. }, input) => [0, (2 * 4 * input.elem_count() * batch) as u64],
        _ => [0; 2],
    }
}
