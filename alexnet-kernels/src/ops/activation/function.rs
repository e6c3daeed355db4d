//! The functions: for each activation its formula and its slope, in f32, as fast as it goes, and in
//! f64, for the tests.

use crate::cpu::elementwise::{map1, map2};

/// A function of each element alone.
///
/// ```
/// use alexnet_kernels::Activation;
/// use candle_core::{Device, Module, Result, Tensor};
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[-1f32, 0.0, 2.0], &Device::Cpu)?;
/// assert_eq!(Activation::Relu.forward(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// let y = Activation::Tanh.forward(&x)?;
/// assert!((y.to_vec1::<f32>()?[2] - 0.964_027_6).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `y = max(x, 0)`; its slope is 1 where `y > 0`, else 0.
    Relu,
    /// `y = tanh(x)`; its slope is `1 − y²`.
    Tanh,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 2] = [Self::Relu, Self::Tanh];

    /// Its name in errors; the CUDA kernels are `<name>_forward` and `<name>_backward`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        }
    }

    /// `y = f(x)`.
    pub(super) fn apply(self, x: &[f32], y: &mut [f32]) {
        match self {
            Self::Relu => map1(x, y, relu),
            Self::Tanh => map1(x, y, f32::tanh),
        }
    }

    /// `dx = scale · dy · f′(x)`, given `y = f(x)`.
    pub(super) fn apply_slope(self, [y, dy]: [&[f32]; 2], dx: &mut [f32], scale: f32) {
        match self {
            Self::Relu => map2(
                y,
                dy,
                dx,
                #[inline(always)]
                |y, dy| if y > 0.0 { scale * dy } else { 0.0 },
            ),
            Self::Tanh => map2(
                y,
                dy,
                dx,
                #[inline(always)]
                |y, dy| scale * dy * (1.0 - y * y),
            ),
        }
    }

    /// `f(x)` in f64.
    pub(super) fn value(self, x: f64) -> f64 {
        match self {
            Self::Relu if x <= 0.0 => 0.0,
            Self::Relu => x,
            Self::Tanh => x.tanh(),
        }
    }

    /// `f′(x)` in f64, given `y = f(x)`.
    pub(super) fn slope(self, y: f64) -> f64 {
        match self {
            Self::Relu => f64::from(y > 0.0),
            Self::Tanh => 1.0 - y * y,
        }
    }
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}
