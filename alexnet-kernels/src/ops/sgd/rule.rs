//! The constants of the update.

/// The update rule: stochastic gradient descent with momentum and weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f32,
    /// The part of the velocity that stays.
    pub momentum: f32,
    /// Weight decay, which is multiplied by `rate`.
    pub decay: f32,
}
