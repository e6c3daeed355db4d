//! `s^−β`, the last step of both response norms, without `powf` where β allows it.

/// How `s^−β` is computed.
#[derive(Clone, Copy)]
pub(crate) enum Power {
    /// β = ¾ by square roots: `s^−¾ = 1 / (√s · √√s)`.
    ThreeQuarters,
    /// Any other β.
    General(f32),
}

impl Power {
    pub(crate) fn new(beta: f32) -> Self {
        if beta == 0.75 { Self::ThreeQuarters } else { Self::General(beta) }
    }

    /// Replaces each `s` by `s^−β`. The choice is outside the loop, so that both vectorise.
    #[inline(always)]
    pub(crate) fn apply(self, s: &mut [f32]) {
        match self {
            Self::ThreeQuarters => s.iter_mut().for_each(|s| {
                let root = s.sqrt();
                *s = 1.0 / (root * root.sqrt());
            }),
            Self::General(beta) => s.iter_mut().for_each(|s| *s = s.powf(-beta)),
        }
    }
}
