//! How sure a difference between two arms is: a paired bootstrap over seeds and images.

use alexnet_kernels::philox4x32;

/// A difference of two means, with an interval in which 95 of 100 resamplings lie.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// The mean of the second less that of the first.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How often seeds and images are drawn anew.
pub const RESAMPLINGS: usize = 2000;

/// The difference between the means of `arm` and `base`, each a list of as many values, one for
/// each image, for each seed.
///
/// Seeds and images are drawn with replacement, and the same ones for both arms: runs of one seed
/// saw the same images in the same order, and what is hard in an image is hard for both. The draws
/// are the same in each call. Of few seeds a resampling shows too little of their spread: with
/// three, two thirds of its variance.
///
/// ```
/// use alexnet_train::paired_bootstrap;
///
/// let base = vec![vec![0.0, 1.0, 1.0, 0.0]; 3];
/// let arm = vec![vec![1.0, 1.0, 1.0, 0.0]; 3]; // one image more is wrong, for each seed
/// let difference = paired_bootstrap(&base, &arm);
/// assert_eq!(difference.mean, 0.25);
/// assert!(difference.low >= 0.0 && difference.high <= 1.0);
/// ```
pub fn paired_bootstrap(base: &[Vec<f64>], arm: &[Vec<f64>]) -> Difference {
    let seeds = base.len().min(arm.len());
    let images = base.iter().chain(arm).map(Vec::len).min().unwrap_or(0);
    let differences: Vec<Vec<f64>> = base
        .iter()
        .zip(arm)
        .map(|(base, arm)| base.iter().zip(arm).map(|(base, arm)| arm - base).collect())
        .collect();
    let count = (seeds * images) as f64;
    let mean = differences.iter().flat_map(|seed| &seed[..images]).sum::<f64>() / count;
    if seeds == 0 || images == 0 {
        return Difference { mean: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    let mut draws = (0u64..).flat_map(|n| philox4x32([0, 0], [n as u32, (n >> 32) as u32, 0, 0]));
    let mut below = |n: usize| ((u64::from(draws.next().unwrap_or(0)) * n as u64) >> 32) as usize;
    let mut times = vec![0u32; seeds];
    let mut means: Vec<f64> = (0..RESAMPLINGS)
        .map(|_| {
            times.fill(0);
            (0..seeds).for_each(|_| times[below(seeds)] += 1);
            let of_image = |image: usize| {
                let pairs = differences.iter().zip(&times);
                pairs.map(|(seed, times)| seed[image] * f64::from(*times)).sum::<f64>()
            };
            (0..images).map(|_| of_image(below(images))).sum::<f64>() / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLINGS as f64 * share) as usize).min(RESAMPLINGS - 1)];
    Difference { mean, low: at(0.025), high: at(0.975) }
}
