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
