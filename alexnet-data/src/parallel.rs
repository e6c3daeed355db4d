//! A list of independent jobs, shared out among threads.

use crate::error::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The number of threads that `requested` means: 0 is one for each core, and more than 1,024 would
/// only cost memory.
pub(crate) fn thread_count(requested: usize) -> usize {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    if requested == 0 { cores() } else { requested.min(1024) }
}

/// Runs `job` on every item, on `threads` threads; each thread takes the next item that no thread
/// has taken, and stops at its first error. `state` makes what a thread keeps between its jobs.
///
/// # Errors
/// Those of `job`, one of them where several fail; [`Error::Worker`] where a job panicked.
pub(crate) fn for_each<T: Sync, S>(
    threads: usize,
    items: &[T],
    state: impl Fn() -> S + Sync,
    job: impl Fn(&mut S, &T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut state = state();
        let items = || items.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(items).try_for_each(|item| job(&mut state, item))
    };
    thread::scope(|scope| {
        // Where the system gives fewer threads, those do the work, and at least this one.
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (1..threads).map_while(start).collect();
        let own = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Worker));
        // All threads are joined, also after an error.
        let joined = workers.into_iter().map(|w| w.join().unwrap_or(Err(Error::Worker)));
        joined.fold(own, Result::and)
    })
}
