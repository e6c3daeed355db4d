//! Batches that loader threads make ahead of time, in an order that does not depend on them.

use std::ops::Range;

use alexnet_data::Batch;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::error::Error;

/// Batches that a thread may have ready before it waits for the loop.
const AHEAD: usize = 2;

/// The batches, in order. Each is given back after use, so that its memory is reused.
#[derive(Debug)]
pub(crate) struct LoadedBatches<B = Batch> {
    ready: Vec<Receiver<Result<B, Error>>>, // one for each thread
    used: Sender<B>,
    next: u64,
    end: u64,
}

impl<B> LoadedBatches<B> {
    /// Waits for the next batch; `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Result<B, Error>> {
        if self.next == self.end {
            return None;
        }
        // Thread n mod threads makes job n, so the order is that of the jobs, whoever is faster.
        let thread = (self.next % self.ready.len() as u64) as usize;
        self.next += 1;
        Some(self.ready[thread].recv().unwrap_or(Err(Error::LoaderGone)))
    }

    /// Gives a batch's memory back to the loader threads.
    pub(crate) fn give_back(&self, batch: B) {
        // This fails only when no loader thread is left to use it.
        _ = self.used.send(batch);
    }
}

/// Runs `consume` over the batches that `fill` makes of `jobs` on `threads` threads.
pub(crate) fn prefetch<B: Default + Send, T>(
    threads: usize,
    jobs: Range<u64>,
    fill: impl Fn(u64, &mut B) -> Result<(), Error> + Sync,
    consume: impl FnOnce(&mut LoadedBatches<B>) -> T,
) -> T {
    let threads = threads.max(1);
    let (used, reusable) = unbounded();
    std::thread::scope(|scope| {
        let start = |thread: usize| {
            let (done, ready) = bounded(AHEAD);
            let (reusable, fill) = (reusable.clone(), &fill);
            let own = jobs.clone().filter(move |job| job % threads as u64 == thread as u64);
            scope.spawn(move || {
                for job in own {
                    let mut batch: B = reusable.try_recv().unwrap_or_default();
                    let result = fill(job, &mut batch).map(|()| batch);
                    let failed = result.is_err();
                    // Sending fails when the loop has ended and no longer receives.
                    if done.send(result).is_err() || failed {
                        return;
                    }
                }
            });
            ready
        };
        let ready = (0..threads).map(start).collect();
        let mut batches = LoadedBatches { ready, used, next: jobs.start, end: jobs.end };
        let result = consume(&mut batches);
        drop(batches); // ends the threads that still wait
        result
    })
}
