//! Both response norms in f64.

use super::lrn::Lrn;
use super::map_norm::MapNorm;
use crate::array::{Array, indices};

/// What both norms have in common: the scale of an element is that of the squares in its window.
struct Norm {
    k: f64,
    a: f64,
    beta: f64,
    /// The window of an element, which is also the set of elements whose windows contain it.
    window: Box<dyn Fn([usize; 4]) -> Vec<[usize; 4]>>,
}

impl Norm {
    fn scale(&self, x: &Array, at: [usize; 4]) -> f64 {
        self.k + self.a * (self.window)(at).into_iter().map(|at| x.get(at).powi(2)).sum::<f64>()
    }

    fn forward(&self, x: &Array) -> Array {
        let y = |at| x.get(at) * self.scale(x, at).powf(-self.beta);
        Array { dims: x.dims.clone(), values: indices(x.four()).map(y).collect() }
    }

    fn gradient(&self, x: &Array, dy: &Array) -> Array {
        let share = |at| dy.get(at) * x.get(at) * self.scale(x, at).powf(-self.beta - 1.0);
        let dx = |at| {
            let shares: f64 = (self.window)(at).into_iter().map(share).sum();
            let own = dy.get(at) * self.scale(x, at).powf(-self.beta);
            own - 2.0 * self.a * self.beta * x.get(at) * shares
        };
        Array { dims: x.dims.clone(), values: indices(x.four()).map(dx).collect() }
    }
}

fn across(op: &Lrn, channels: usize) -> Norm {
    let (radius, tower) = (op.n / 2, channels / op.towers);
    let a = f64::from(op.alpha) / if op.alpha_over_n { op.n as f64 } else { 1.0 };
    let window = move |[b, c, h, w]: [usize; 4]| {
        let first = c / tower * tower;
        let inside = (c.saturating_sub(radius)).max(first)..(c + radius + 1).min(first + tower);
        inside.map(|c| [b, c, h, w]).collect()
    };
    Norm { k: op.k.into(), a, beta: op.beta.into(), window: Box::new(window) }
}

fn within(op: &MapNorm, [_, _, height, width]: [usize; 4]) -> Norm {
    let radius = op.n / 2;
    let a = f64::from(op.alpha) / (op.n * op.n) as f64;
    let window = move |[b, c, h, w]: [usize; 4]| {
        let columns = w.saturating_sub(radius)..(w + radius + 1).min(width);
        let rows = h.saturating_sub(radius)..(h + radius + 1).min(height);
        rows.flat_map(|i| columns.clone().map(move |j| [b, c, i, j])).collect()
    };
    Norm { k: op.k.into(), a, beta: op.beta.into(), window: Box::new(window) }
}

/// `y` of local response normalization.
pub fn lrn(op: &Lrn, x: &Array) -> Array {
    across(op, x.dims[1]).forward(x)
}

/// Its gradient with respect to `x`.
pub fn lrn_gradient(op: &Lrn, x: &Array, dy: &Array) -> Array {
    across(op, x.dims[1]).gradient(x, dy)
}

/// `y` of the norm within a map.
pub fn map_norm(op: &MapNorm, x: &Array) -> Array {
    within(op, x.four()).forward(x)
}

/// Its gradient with respect to `x`.
pub fn map_norm_gradient(op: &MapNorm, x: &Array, dy: &Array) -> Array {
    within(op, x.four()).gradient(x, dy)
}
