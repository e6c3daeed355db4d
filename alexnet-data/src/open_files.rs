//! How many archives and shards a process may hold open.

use std::fs::File;
#[cfg(unix)]
use std::os::fd::AsRawFd;

/// The open files that we ask the system for, which every system grants where its hard limit does:
/// enough for the shards of ImageNet if each had 50 images.
#[cfg(unix)]
const WANTED: u64 = 1 << 16;

/// How many archives may be open at once: a quarter of what the system allows this process, because
/// threads, shards and the program around this crate open files too, and at most as many as make
/// opening again rare enough.
pub(crate) fn archives_at_once() -> usize {
    (allowed() / 4).clamp(4, 512) as usize
}

/// Whether half of the files that the system allows this process are left if `file` stays open. A
/// new file gets the lowest number that is free.
#[cfg(unix)]
pub(crate) fn leaves_room(file: &File) -> bool {
    (file.as_raw_fd() as u64) < allowed() / 2
}

/// Windows limits handles only by memory.
#[cfg(not(unix))]
pub(crate) fn leaves_room(_: &File) -> bool {
    true
}

/// The number of files that may be open, after the soft limit has been raised as far as we need and
/// the hard limit allows.
#[cfg(unix)]
fn allowed() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` stands for a limit that is infinite.
    let (soft, wanted) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX).min(WANTED));
    let raised = Rlimit { current: Some(wanted), maximum };
    if soft < wanted && setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { soft }
}

/// Windows limits handles only by memory.
#[cfg(not(unix))]
fn allowed() -> u64 {
    4096
}
