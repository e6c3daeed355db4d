//! Batches made ahead of time by loader threads, in an order that does not depend on them.

use std::ops::Range;

use alexnet_data::Batch;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::Error;

/// Batches a thread may have ready before it waits for the loop.
const AHEAD: usize = 2;

/// The batches, in order; hand each back when done with it, so that its memory is used again.
#[derive(Debug)]
pub(crate) struct Batches {
    ready: Vec<Receiver<Result<Batch, Error>>>, // one a thread
    spent: Sender<Batch>,
    next: u64,
    end: u64,
}

impl Batches {
    /// The next batch, waiting for it if need be; `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Result<Batch, Error>> {
        if self.next == self.end {
            return None;
        }
        // Job n is made by thread n mod threads: the order is the jobs', whoever is faster.
        let thread = (self.next % self.ready.len() as u64) as usize;
        self.next += 1;
        Some(self.ready[thread].recv().unwrap_or(Err(Error::LoaderGone)))
    }

    /// Gives a batch's memory back to the loaders.
    pub(crate) fn recycle(&self, batch: Batch) {
        // Refused only when no loader is left to use it.
        _ = self.spent.send(batch);
    }
}

/// Runs `consume` over the batches that `fill` makes of `jobs` on `threads` threads.
pub(crate) fn prefetch<T>(
    threads: usize,
    jobs: Range<u64>,
    fill: impl Fn(u64, &mut Batch) -> Result<(), Error> + Sync,
    consume: impl FnOnce(&mut Batches) -> T,
) -> T {
    let threads = threads.max(1);
    let (spent, fresh) = unbounded();
    std::thread::scope(|scope| {
        let start = |thread: usize| {
            let (done, ready) = bounded(AHEAD);
            let (fresh, fill) = (fresh.clone(), &fill);
            // Jobs are counted from 0 for all threads, so that `next` finds the thread by the job.
            let first = (jobs.start..jobs.end).find(|j| j % threads as u64 == thread as u64);
            scope.spawn(move || {
                let mine = first.into_iter().flat_map(|f| (f..jobs.end).step_by(threads));
                for job in mine {
                    let mut batch: Batch = fresh.try_recv().unwrap_or_default();
                    let result = fill(job, &mut batch).map(|()| batch);
                    let failed = result.is_err();
                    // The loop has ended when it no longer receives.
                    if done.send(result).is_err() || failed {
                        return;
                    }
                }
            });
            ready
        };
        let ready = (0..threads).map(start).collect();
        let mut batches = Batches { ready, spent, next: jobs.start, end: jobs.end };
        let out = consume(&mut batches);
        drop(batches); // ends the loaders that still wait
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_the_jobs_for_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for jobs in [0..0, 0..1, 5..23] {
                let fill = |job: u64, batch: &mut Batch| {
                    batch.labels.clear();
                    batch.labels.push(job as u32);
                    Ok(())
                };
                let seen = prefetch(threads, jobs.clone(), fill, |batches| {
                    let mut seen = Vec::new();
                    while let Some(batch) = batches.next() {
                        let batch = batch.unwrap();
                        seen.push(u64::from(batch.labels[0]));
                        batches.recycle(batch);
                    }
                    seen
                });
                assert_eq!(seen, jobs.collect::<Vec<_>>(), "{threads} threads");
            }
        }
    }

    #[test]
    fn an_early_end_and_an_error_leave_no_thread_behind() {
        let fill = |job: u64, _: &mut Batch| if job == 4 { Err(Error::LoaderGone) } else { Ok(()) };
        let results =
            prefetch(2, 0..100, fill, |batches| [(); 6].map(|()| batches.next().unwrap().is_ok()));
        assert_eq!(results, [true, true, true, true, false, true]);
    }
}
