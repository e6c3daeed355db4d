//! `s^−β`, the last step of both response norms: for β = ¾ without `powf`.

/// How `s^−β` is computed.
#[derive(Clone, Copy)]
pub(super) enum Power {
    /// β = ¾, as the cube of `s^−¼`.
    ThreeQuarters,
    /// Any other β.
    General(f32),
}

impl Power {
    pub(super) fn new(beta: f32) -> Self {
        if beta == 0.75 { Self::ThreeQuarters } else { Self::General(beta) }
    }

    /// Replaces each `s` by `s^−β`. The choice is made outside the loops, so that each of them is
    /// vectorised.
    #[inline(always)]
    pub(super) fn apply(self, s: &mut [f32]) {
        match self {
            Self::ThreeQuarters if ordinary(s) => s.iter_mut().for_each(|s| {
                let root = inverse_fourth_root(*s);
                *s = root * root * root;
            }),
            Self::ThreeQuarters => s.iter_mut().for_each(|s| {
                let root = s.sqrt();
                *s = 1.0 / (root * root.sqrt());
            }),
            Self::General(beta) => s.iter_mut().for_each(|s| *s = s.powf(-beta)),
        }
    }

    /// Replaces each `s` by `s^−β`, and writes `1 / s`.
    #[inline(always)]
    pub(super) fn apply_with_inverse(self, s: &mut [f32], inverse: &mut [f32]) {
        match self {
            Self::ThreeQuarters if ordinary(s) => {
                for (s, inverse) in s.iter_mut().zip(inverse) {
                    let root = inverse_fourth_root(*s);
                    let square = root * root;
                    (*s, *inverse) = (square * root, square * square);
                }
            }
            _ => {
                inverse.iter_mut().zip(&*s).for_each(|(inverse, s)| *inverse = 1.0 / s);
                self.apply(s);
            }
        }
    }
}

/// Whether the arithmetic below overflows for none of `s`; it would for zero, infinity and NaN.
#[inline(always)]
fn ordinary(s: &[f32]) -> bool {
    s.iter().fold(true, |all, s| all & (*s > 1e-30) & (*s < 1e30))
}

/// `s^−¼` to a few units in the last place, for ordinary `s`. It takes products and sums only, and
/// a third of the time of two square roots and a division.
///
/// The bits of a float, taken as an integer, are roughly its logarithm. So a constant minus a
/// quarter of them are the bits of `s^−¼`, within 3.2 %; each step of Newton's method for `y⁻⁴ = s`
/// squares that error, times 2.5.
#[inline(always)]
fn inverse_fourth_root(s: f32) -> f32 {
    let mut y = f32::from_bits(GUESS - (s.to_bits() >> 2));
    for _ in 0..3 {
        let square = y * y;
        y *= 1.25 - 0.25 * s * (square * square);
    }
    y
}

/// 5/4 of the bits of 1, corrected so that the largest error of the guess is smallest.
const GUESS: u32 = 0x4f58_6000;
