//! Sums over a short sliding window, which both response norms need.

/// `sums[i] = Σ padded[i + d·step]`, `0 ≤ d < n`: the window of element `i` begins at `padded[i]`.
///
/// `padded` has `(n − 1)·step` elements more than `sums`. Every element is summed from its
/// window's first to its last, so no rounding error travels along the row as in a running sum.
#[inline(always)]
pub(super) fn window_sums(n: usize, step: usize, padded: &[f32], sums: &mut [f32]) {
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

/// The same for an `N` that the compiler knows: one pass over memory instead of `N`.
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

/// Several short rows laid out as one long array, so that a vectorised loop over them is long
/// enough to pay.
///
/// A *padded* array has `gap` zeros before, between and after the rows, so that no window of at
/// most `gap` elements to each side reaches from one row into another. A *plain* array holds a
/// result for each window of a padded one; the results of the gaps mean nothing.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    row: usize,
    gap: usize,
    count: usize,
}

impl Rows {
    /// As many rows as leave the arrays of a pass in the L1 cache.
    pub(super) fn new(row: usize, gap: usize) -> Self {
        Self { row, gap, count: (1024 / (row + gap)).max(1) }
    }

    /// Floats of all rows.
    pub(super) fn floats(self) -> usize {
        self.count * self.row
    }

    pub(super) fn padded(self) -> Vec<f32> {
        vec![0.0; self.count * self.stride() + 2 * self.gap]
    }

    pub(super) fn plain(self) -> Vec<f32> {
        vec![0.0; self.count * self.stride()]
    }

    fn stride(self) -> usize {
        self.row + self.gap
    }

    /// The rows in a padded array.
    #[inline(always)]
    pub(super) fn of_padded(self, padded: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
        self.of_plain(&mut padded[self.gap..][..self.count * self.stride()])
    }

    /// The rows in a plain array.
    #[inline(always)]
    pub(super) fn of_plain(self, plain: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
        plain.chunks_exact_mut(self.stride()).map(move |row| &mut row[..self.row])
    }
}
