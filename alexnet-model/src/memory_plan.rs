//! How much memory a training step needs, worked out from the list of layers that runs. All layers
//! are planned as trained: a step with frozen layers needs less.
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

use alexnet_kernels::{Conv2d, LrnPool, MapNorm, SpaceToDepth};
use candle_core::{DType, Device, Result, Tensor};

use crate::network::fused_layer::{FusedLayer, Saves};
use crate::spec::LayerKind;
use crate::spec::shapes::{Shape, conv2d_config};

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
    /// What a step of these layers needs on the CPU with batches of `batch` images; activations are
    /// f32. The program itself comes to it.
    ///
    /// # Example
    ///
    /// ```
    /// # use alexnet_model::{NetworkSpec, StepMemory};
    /// let layers = NetworkSpec::preset("original")?.fused_layers()?;
    /// let step = StepMemory::on_cpu(&layers, 128);
    /// assert_eq!(step.parameters, 8 * 60_965_224);
    /// assert_eq!(step.total() >> 20, 1_151); // MiB
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn on_cpu(layers: &[FusedLayer], batch: usize) -> Self {
        Self::new(layers, batch, Machine::Cpu)
    }

    /// The same on a GPU that computes with activations of this dtype, f32 or bf16. Pixels as bytes
    /// and libraries' workspaces come to it too.
    pub fn on_gpu(layers: &[FusedLayer], batch: usize, activations: DType) -> Self {
        Self::new(layers, batch, Machine::Gpu(activations))
    }

    fn new(layers: &[FusedLayer], batch: usize, machine: Machine) -> Self {
        let (bytes, buffers) = (machine.bytes(), buffers(layers, batch, machine));
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

/// What computes, and so what is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Cpu,
    /// With activations of this dtype.
    Gpu(DType),
}

impl Machine {
    /// Bytes of an activation.
    fn bytes(self) -> usize {
        match self {
            Self::Cpu => 4,
            Self::Gpu(activations) => activations.size_in_bytes(),
        }
    }
}

/// All tensors of a step.
fn buffers(layers: &[FusedLayer], batch: usize, machine: Machine) -> Vec<Buffer> {
    let bytes = machine.bytes();
    let of = |shape: Shape| (shape.elem_count() * batch * bytes) as u64;
    let n = layers.len();
    let (end, backward) = (4 * n, |i: usize| 4 * n - 2 * i - 1);
    let mut buffers = Vec::new();
    let mut add = |bytes, moments| buffers.push(Buffer { bytes, moments });
    let images = layers.first().map_or(0, |first| elements_of_images(first, machine));
    add((images * batch * bytes) as u64, 0..=end);
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
        let [scratch_forward, scratch_backward] = scratch(layer, batch, machine);
        add(scratch_forward, forward..=forward);
        add(scratch_backward, backward..=backward);
    }
    buffers
}

/// Activations of one image as the first layer keeps it: on a GPU perhaps in blocks of pixels.
fn elements_of_images(first: &FusedLayer, machine: Machine) -> usize {
    match (image_blocks(first, machine), first.input) {
        (Some(blocks), Shape::Map(channels, ..)) => blocks.shape(1, channels).iter().product(),
        (_, input) => input.elem_count(),
    }
}

/// The blocks of pixels in which a GPU convolves, where it does so.
fn image_blocks(layer: &FusedLayer, machine: Machine) -> Option<SpaceToDepth> {
    let (LayerKind::Conv { stride, pad, groups, .. }, Shape::Map(_, h, w), Some(weight)) =
        (layer.kind, layer.input, &layer.weight)
    else {
        return None;
    };
    let blocks = || -> Result<Option<SpaceToDepth>> {
        // Only the shapes of the parameters count, so they need no memory.
        let zero = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        let (bias, weight) = (zero.broadcast_as(weight[0])?, zero.broadcast_as(&**weight)?);
        Conv2d::new(weight, bias, conv2d_config(stride, pad, groups))?.blocks_on_gpu((h, w))
    };
    if machine == Machine::Cpu { None } else { blocks().ok().flatten() }
}

/// Scratch of a layer, forward and backward. On a GPU: a convolution's input with its padding
/// around it, where the sides differ and it is not in blocks, and what norms have no kernels for.
/// On the CPU: what is between an LRN and the pooling that is fused into it, and the results of a
/// local layer as they are before they are moved to their images.
fn scratch(layer: &FusedLayer, batch: usize, machine: Machine) -> [u64; 2] {
    let of = |elements: usize, bytes: usize| (elements * batch * bytes) as u64;
    let (Shape::Map(c, h, w), bytes) = (layer.input, machine.bytes()) else { return [0; 2] };
    // Where a question has no answer the layer cannot run, so that nothing depends on it.
    let in_one_pass = |answer: Result<bool>| answer.unwrap_or(false);
    match (layer.kind, machine) {
        (LayerKind::Conv { pad: [top, bottom, left, right], .. }, Machine::Gpu(_))
            if (top != bottom || left != right) && image_blocks(layer, machine).is_none() =>
        {
            [of((h + top + bottom) * (w + left + right) * c, bytes); 2]
        }
        (LayerKind::Local { .. }, Machine::Cpu) => {
            [of(layer.output.elem_count(), bytes), of(c * h * w, bytes)]
        }
        (LayerKind::Lrn { .. }, machine) => {
            let op = layer.lrn().zip(layer.max_pool()).map(|(lrn, pool)| LrnPool { lrn, pool });
            let in_memory = op.is_some_and(|op| match machine {
                Machine::Cpu => true,
                Machine::Gpu(dtype) => !in_one_pass(op.is_one_pass_on_gpu(c, dtype)),
            });
            [if in_memory { of(c * h * w, bytes) } else { 0 }; 2]
        }
        (LayerKind::MapNorm { n, alpha, beta, k }, Machine::Gpu(dtype)) => {
            let op = MapNorm { n, alpha, beta, k };
            let one_pass = in_one_pass(op.is_one_pass_on_gpu((c, h, w), dtype));
            [0, if one_pass { 0 } else { of(c * h * w, 2 * 4) }]
        }
        _ => [0; 2],
    }
}
