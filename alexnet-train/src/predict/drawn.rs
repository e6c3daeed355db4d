//! One iterator that several threads draw from, each job the items that are its own.

use std::collections::HashMap;
use std::iter::Fuse;
use std::sync::{Mutex, PoisonError};

/// The items of an iterator in jobs of so many: job 0 has the first ones, whoever asks first.
pub(super) struct Drawn<I: Iterator> {
    state: Mutex<State<I>>,
    each: usize,
}

struct State<I: Iterator> {
    rest: Fuse<I>,
    /// The first job that was not drawn yet.
    next: u64,
    /// Those that were drawn because a later one was asked for.
    waiting: HashMap<u64, Vec<I::Item>>,
}

impl<I: Iterator> Drawn<I> {
    pub(super) fn new(items: I, each: usize) -> Self {
        let state = State { rest: items.fuse(), next: 0, waiting: HashMap::new() };
        Self { state: Mutex::new(state), each }
    }

    /// The items of a job, which may be asked for once; none after the last.
    pub(super) fn job(&self, job: u64) -> Vec<I::Item> {
        // A thread that panicked ends the process; until then the others may go on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.next <= job {
            let (number, items) = (state.next, state.rest.by_ref().take(self.each).collect());
            state.waiting.insert(number, items);
            state.next += 1;
        }
        state.waiting.remove(&job).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Drawn;

    #[test]
    fn jobs_have_their_items_whoever_asks_first() {
        let drawn = Drawn::new(0..10, 4);
        assert_eq!(drawn.job(2), [8, 9]);
        assert_eq!(drawn.job(0), [0, 1, 2, 3]);
        assert!(drawn.job(4).is_empty());
        assert_eq!((drawn.job(3), drawn.job(1)), (vec![], vec![4, 5, 6, 7]));
    }
}
