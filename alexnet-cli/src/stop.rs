//! The signals that end programs: they let what is trained be saved first.

use std::fmt;

use alexnet_train::Stop;
use anyhow::{Context, Result};

/// Several runs that were asked to stop, each of which was saved.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) String);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by {}; give the same command to go on", self.0)
    }
}

impl std::error::Error for Stopped {}

/// What the signals of this process ask to stop from now on.
pub(crate) fn by_signals() -> Result<Stop> {
    let mut stop = Stop::default();
    signals(&mut stop).context("signals cannot be waited for")?;
    Ok(stop)
}

/// Lets the signals that end programs stop a run: of the terminal, of a person, of a scheduler.
#[cfg(unix)]
fn signals(stop: &mut Stop) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::flag;

    let all = [(SIGINT, "Ctrl-C"), (SIGTERM, "SIGTERM"), (SIGUSR1, "SIGUSR1"), (SIGHUP, "SIGHUP")];
    for (signal, name) in all {
        if signal == SIGHUP && is_ignored(signal) {
            continue; // a run under nohup outlives its terminal
        }
        let flag = stop.request(name);
        if signal == SIGINT {
            // Whoever presses it twice does not want to wait. This is looked at before the flag is
            // set, as it was registered first.
            flag::register_conditional_shutdown(signal, 130, flag.clone())?;
        }
        flag::register(signal, flag)?;
    }
    Ok(())
}

/// Whether a signal was ignored when the process started, which Linux says in a file.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Lets Ctrl-C stop a run.
#[cfg(not(unix))]
fn signals(stop: &mut Stop) -> std::io::Result<()> {
    let flag = stop.request("Ctrl-C");
    let signal = signal_hook::consts::SIGINT;
    signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())?;
    signal_hook::flag::register(signal, flag).map(|_| ())
}
