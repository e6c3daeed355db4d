//! What the system says of the memory of this machine and of the room on its disks, and whom it
//! lets go first.

use std::path::Path;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// The bytes that this process could still have: free memory, and what the system would free for
/// it, within the limits of a container. `None` where the system does not say.
pub(crate) fn available_memory() -> Option<u64> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(memory);
    if system.total_memory() == 0 {
        return None; // and its limits are not to be asked for
    }
    // What it calls free does not count files in memory, which a container gives up when it must.
    let limit = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let available = system.available_memory();
    Some(limit.map_or(available, |limit| limit.min(available)) + system.free_swap())
}

/// The most memory that this process has had so far, in bytes, where the system says (Linux).
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Lets the other threads go first from now on, for work of this thread that they compete with and
/// no one waits for. On other systems than Linux it would be for the whole process: not done.
pub(crate) fn let_others_go_first() {
    // The lowest priority counts among the threads of a session or container, so that it takes no
    // longer when these wait for it. Where the system refuses, this thread is one like the others.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 19);
}

/// The bytes that can still be written into a folder that is there, where the system says.
#[cfg(unix)]
pub(crate) fn free_space(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// The bytes that can still be written into a folder that is there, where the system says.
#[cfg(not(unix))]
pub(crate) fn free_space(_folder: &Path) -> Option<u64> {
    None
}
