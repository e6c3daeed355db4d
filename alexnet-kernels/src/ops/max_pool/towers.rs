//! How the maps of several towers lie in the tensors that a pooling reads and writes.
//!
//! A convolution in groups is fastest over the maps of each group by themselves
//! ([`Conv2d::apart`](crate::Conv2d::apart)). A pooling before it can write them so, and one after
//! it can read them so, at no cost.

use candle_core::{Result, bail};

/// How the maps of towers lie: together, `(B, C, H, W)`, or apart, `(T·B, C/T, H, W)`, those of one
/// tower after those of the other.
///
/// ```
/// use alexnet_kernels::{MaxPool2d, Towers};
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::arange(0f32, 4.0, &Device::Cpu)?.reshape((2, 2, 1, 1))?;
/// let towers = Towers { count: 2, input_apart: false, output_apart: true };
/// let y = MaxPool2d::new(1, 1).towers(towers).forward(&x)?; // (4, 1, 1, 1)
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.0, 2.0, 1.0, 3.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Towers {
    /// The number of towers.
    pub count: usize,
    /// Whether those of the input lie apart.
    pub input_apart: bool,
    /// Whether those of the output lie apart.
    pub output_apart: bool,
}

impl Towers {
    /// All maps together.
    pub const TOGETHER: Self = Self { count: 1, input_apart: false, output_apart: false };

    /// `[B, C]` of maps that lie together or apart.
    pub(crate) fn maps(self, apart: bool, batch: usize, channels: usize) -> [usize; 2] {
        if apart { [self.count * batch, channels / self.count] } else { [batch, channels] }
    }

    /// `[B, C]` of a map with these dimensions.
    pub(crate) fn of_maps(self, apart: bool, [batch, channels]: [usize; 2]) -> Result<[usize; 2]> {
        let Self { count, .. } = self;
        if !apart {
            return Ok([batch, channels]);
        }
        if count == 0 || !batch.is_multiple_of(count) {
            bail!("max-pool: {batch} maps are not those of {count} towers that lie apart")
        }
        Ok([batch / count, channels * count])
    }

    /// The values of maps that lie as the input does, pixels of `channels` of all towers, as the
    /// output does.
    pub(crate) fn to_output<T: Copy>(self, channels: usize, values: Vec<T>) -> Vec<T> {
        match (self.input_apart, self.output_apart) {
            (false, true) => self.apart(channels, &values),
            (true, false) => self.together(channels, &values),
            _ => values,
        }
    }

    /// The opposite of [`to_output`](Self::to_output).
    pub(crate) fn to_input<T: Copy>(self, channels: usize, values: &[T]) -> Vec<T> {
        match (self.input_apart, self.output_apart) {
            (false, true) => self.together(channels, values),
            (true, false) => self.apart(channels, values),
            _ => values.to_vec(),
        }
    }

    fn apart<T: Copy>(self, channels: usize, values: &[T]) -> Vec<T> {
        let row = channels / self.count;
        let of_tower = |tower| {
            let pixels = values.chunks_exact(channels);
            pixels.flat_map(move |pixel: &[T]| &pixel[tower * row..][..row])
        };
        (0..self.count).flat_map(of_tower).copied().collect()
    }

    fn together<T: Copy>(self, channels: usize, values: &[T]) -> Vec<T> {
        let (row, pixels) = (channels / self.count, values.len() / channels);
        let of_pixel = |pixel: usize| {
            (0..self.count).flat_map(move |tower| &values[(tower * pixels + pixel) * row..][..row])
        };
        (0..pixels).flat_map(of_pixel).copied().collect()
    }
}
