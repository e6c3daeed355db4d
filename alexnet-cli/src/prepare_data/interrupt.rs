//! Ctrl-C, and the signals with which a scheduler ends jobs: a preparation ends by itself, and
//! where that takes long it is ended.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How long a preparation may take to end by itself. A decoder that is at work on one image, or a
/// network drive that does not answer, can take for ever.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

/// Whether the preparation should stop.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// Whether it has ended by itself.
static ENDED: AtomicBool = AtomicBool::new(false);

/// From now on the first signal sets [`STOP`]. If the preparation does not end by itself in this
/// time, or at the second signal, the process says so and ends with exit code 1. It can be ended at
/// any moment, because shards are whole or not there.
pub(super) fn catch(
    patience: Duration,
    say_so: impl Fn() + Clone + Send + 'static,
) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        let say_so = say_so.clone();
        let end = move || {
            say_so();
            process::exit(1)
        };
        if STOP.swap(true, Ordering::Relaxed) {
            end();
        }
        let late = end.clone();
        let watch = move || {
            thread::sleep(patience);
            if !ENDED.load(Ordering::Relaxed) {
                late();
            }
        };
        // Where the system gives no thread to wait in, there is no waiting.
        if thread::Builder::new().spawn(watch).is_err() {
            end();
        }
    })
}

/// The preparation has ended: what it has to say is not cut short by a signal that came before.
pub(super) fn ended() {
    ENDED.store(true, Ordering::Relaxed);
}
