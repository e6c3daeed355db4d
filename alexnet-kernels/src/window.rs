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

    /// Rows side by side into a padded array; fewer than all leave the last ones as they were.
    #[inline(always)]
    pub(crate) fn spread(self, rows: &[f32], padded: &mut [f32]) {
        let places = padded[self.gap..].chunks_mut(self.stride());
        for (row, place) in rows.chunks_exact(self.row).zip(places) {
            place[..self.row].copy_from_slice(row);
        }
    }

    /// The rows of a plain array side by side.
    #[inline(always)]
    pub(crate) fn collect(self, plain: &[f32], rows: &mut [f32]) {
        for (row, place) in rows.chunks_exact_mut(self.row).zip(plain.chunks(self.stride())) {
            row.copy_from_slice(&place[..self.row]);
        }
    }

    /// Makes the gaps of a padded array zero again.
    #[inline(always)]
    pub(crate) fn clear_gaps(self, padded: &mut [f32]) {
        for gap in padded.chunks_mut(self.stride()) {
            let zeros = self.gap.min(gap.len());
            gap[..zeros].fill(0.0);
        }
    }
}
