//! What a measurement spends its time on: on a rented GPU each second counts.

use std::time::Instant;

use serde::Serialize;

/// A part of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchPhase {
    /// What was done.
    pub name: &'static str,
    /// How long that took.
    pub seconds: f64,
}

/// The parts so far, and since when the current one goes on.
pub(super) struct Phases {
    since: Instant,
    done: Vec<BenchPhase>,
}

impl Phases {
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), done: Vec::new() }
    }

    /// Ends the current part, which is then called `name`.
    pub(super) fn end(&mut self, name: &'static str) {
        self.done.push(BenchPhase { name, seconds: self.since.elapsed().as_secs_f64() });
        self.since = Instant::now();
    }

    pub(super) fn all(self) -> Vec<BenchPhase> {
        self.done
    }
}
