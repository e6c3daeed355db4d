//! Nearest neighbours by Euclidean distance: exact, of any number of vectors, in bounded memory.

use rayon::prelude::*;

/// A vector near to a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its number, in the order in which vectors were added.
    pub index: usize,
    /// Its Euclidean distance from the query.
    pub distance: f64,
}

/// A search for the vectors that are nearest to each of some queries.
///
/// Vectors are added in blocks and not kept, so the memory is that of the queries and of the
/// nearest found so far. Sums are in f64 and in one order, and of equally distant vectors the first
/// added is the nearer, so the result depends neither on the blocks nor on the number of threads.
///
/// ```
/// use alexnet_train::NearestSearch;
///
/// let mut search = NearestSearch::new(vec![vec![0.0, 0.0]], 2);
/// search.add(&[vec![3.0, 4.0], vec![1.0, 0.0]]);
/// search.add(&[vec![0.0, 2.0]]);
/// let found = &search.nearest()[0];
/// assert_eq!((found[0].index, found[0].distance), (1, 1.0));
/// assert_eq!((found[1].index, found[1].distance), (2, 2.0));
/// ```
#[derive(Debug, Clone)]
pub struct NearestSearch {
    queries: Vec<Vec<f32>>,
    /// The nearest of each query so far, with squared distances, the nearest first.
    best: Vec<Vec<Neighbour>>,
    most: usize,
    added: usize,
}

impl NearestSearch {
    /// A search for the `most` vectors nearest to each query.
    pub fn new(queries: Vec<Vec<f32>>, most: usize) -> Self {
        let best = vec![Vec::with_capacity(most.saturating_add(1).min(1 << 16)); queries.len()];
        Self { queries, best, most, added: 0 }
    }

    /// Adds the next vectors. Of two vectors of different lengths only the beginning is compared
    /// that both have.
    pub fn add(&mut self, vectors: &[Vec<f32>]) {
        let Self { queries, best, most, added } = self;
        queries.par_iter().zip(best).for_each(|(query, best)| {
            for (place, vector) in vectors.iter().enumerate() {
                let squared = squared_distance(query, vector);
                let at = best.partition_point(|other| other.distance <= squared);
                if at < *most {
                    best.insert(at, Neighbour { index: *added + place, distance: squared });
                    best.truncate(*most);
                }
            }
        });
        *added += vectors.len();
    }

    /// The nearest vectors of each query, the nearest first.
    pub fn nearest(self) -> Vec<Vec<Neighbour>> {
        let root = |n: Neighbour| Neighbour { distance: n.distance.sqrt(), ..n };
        self.best.into_iter().map(|best| best.into_iter().map(root).collect()).collect()
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}
