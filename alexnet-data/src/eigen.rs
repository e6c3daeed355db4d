//! Eigenvalues and eigenvectors of a symmetric 3×3 matrix, by cyclic Jacobi rotations.
//!
//! Source: Golub and Van Loan, Matrix Computations, §8.5. A 3×3 matrix needs a handful of sweeps; a
//! linear algebra library for this would be the crate's largest dependency.

/// Eigenvalues, descending, and unit eigenvectors as rows, the first non-zero component positive.
pub(crate) fn symmetric_eigen(mut a: [[f64; 3]; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    // The columns of `v` become the eigenvectors.
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Convergence is quadratic: six sweeps are usual, and 50 bound the loop for any input.
    for _ in 0..50 {
        if a[0][1] == 0.0 && a[0][2] == 0.0 && a[1][2] == 0.0 {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            // The smaller of the two angles that make a[p][q] zero.
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
            for row in &mut a {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            let (at_p, at_q) = (a[p], a[q]);
            a[p] = [0, 1, 2].map(|k: usize| c * at_p[k] - s * at_q[k]);
            a[q] = [0, 1, 2].map(|k: usize| s * at_p[k] + c * at_q[k]);
            // The rotation makes these two zero but for rounding.
            (a[p][q], a[q][p]) = (0.0, 0.0);
            for row in &mut v {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    let vectors = order.map(|i| {
        let row = [v[0][i], v[1][i], v[2][i]];
        let sign = row.iter().find(|x| **x != 0.0).map_or(1.0, |x| x.signum());
        row.map(|x| x * sign + 0.0) // + 0.0 turns −0 into 0
    });
    (order.map(|i| a[i][i]), vectors)
}
