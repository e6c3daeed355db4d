//! Sums over a short sliding window, the heart of both response norms.

/// `sums[i] = Σ padded[i + d·step]`, `0 ≤ d < n`: the window of element `i` begins at `padded[i]`.
///
/// `padded` has `(n − 1)·step` elements more than `sums`. Every element is summed from its
/// window's first to its last, so no rounding error travels along the row as in a running sum.
#[inline(always)]
pub(crate) fn window_sums(n: usize, step: usize, padded: &[f32], sums: &mut [f32]) {
    match n {
        3 => fixed::<3>(step, padded, sums),
        5 => fixed::<5>(step, padded, sums),
        _ => {
            sums.copy_from_slice(&padded[..sums.len()]);
            for d in 1..n {
                for (sum, x) in sums.iter_mut().zip(&padded[d * step..]) {
                    *sum += x;
                }
            }
        }
    }
}

/// The same with `N` known to the compiler: one pass instead of `N`.
#[inline(always)]
fn fixed<const N: usize>(step: usize, padded: &[f32], sums: &mut [f32]) {
    let len = sums.len();
    let windows: [&[f32]; N] = std::array::from_fn(|d| &padded[d * step..][..len]);
    for (i, sum) in sums.iter_mut().enumerate() {
        let mut total = windows[0][i];
        for window in &windows[1..] {
            total += window[i];
        }
        *sum = total;
    }
}

/// Several short rows laid out as one long one, so that a loop over it is worth its vectors.
///
/// A *padded* array has `gap` zeros before, between and after the rows, so that no window of at
/// most `gap` elements to each side reaches from one row into another. A *plain* array holds a
/// result for each window of a padded one; the results of the gaps mean nothing.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    row: usize,
    gap: usize,
    count: usize,
}

impl Rows {
    /// As many rows as keep the arrays of a pass in the first cache.
    pub(crate) fn new(row: usize, gap: usize) -> Self {
        Self { row, gap, count: (1024 / (row + gap)).max(1) }
    }

    /// Floats of all rows.
    pub(crate) fn floats(self) -> usize {
        self.count * self.row
    }

    pub(crate) fn padded(self) -> Vec<f32> {
        vec![0.0; self.count * self.stride() + 2 * self.gap]
    }

    pub(crate) fn plain(self) -> Vec<f32> {
        vec![0.0; self.count * self.stride()]
    }

    fn stride(self) -> usize {
        self.row + self.gap
    }

    /// Where the rows lie in a padded array.
    #[inline(always)]
    pub(crate) fn of_padded(self, padded: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
        self.of_plain(&mut padded[self.gap..][..self.count * self.stride()])
    }

    /// Where the rows lie in a plain array.
    #[inline(always)]
    pub(crate) fn of_plain(self, plain: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
        plain.chunks_exact_mut(self.stride()).map(move |place| &mut place[..self.row])
    }
}
