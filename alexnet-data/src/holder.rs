//! The name of the process that holds a lock, as it stands in the lock's file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use std::{fmt, process, thread};

/// The most bytes of a lock's file that are read.
const MAX_BYTES: u64 = 300;

/// The process that holds a lock: `process 4711 on host alpha`; `another process` where its name
/// cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Option<(u32, String)>);

impl Holder {
    pub(crate) fn this_process() -> Self {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        Self(Some((process::id(), host)))
    }

    /// The process's id on its host, and the host, where its name could be read.
    pub fn process(&self) -> Option<(u32, &str)> {
        self.0.as_ref().map(|(process, host)| (*process, host.as_str()))
    }

    /// Whether the process runs on this host.
    pub fn is_here(&self) -> bool {
        let here = gethostname::gethostname();
        self.process().is_some_and(|(_, host)| here.to_string_lossy() == host)
    }

    /// Whether the process is known by its name.
    pub(crate) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Reads who holds the lock of the file `path`.
    pub(crate) fn read(path: &Path) -> Self {
        // Whoever has only just got the lock is about to write its name.
        for _ in 0..5 {
            let mut text = Vec::new();
            let read = File::open(path).and_then(|f| f.take(MAX_BYTES).read_to_end(&mut text));
            let Ok(1..) = read else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            return Self::parse(&String::from_utf8_lossy(&text));
        }
        Self(None)
    }

    /// The holder that displays as `text`. A file that no lock wrote names nobody.
    fn parse(text: &str) -> Self {
        let parts = text.strip_prefix("process ").and_then(|rest| rest.split_once(" on host "));
        let name = parts.and_then(|(process, host)| Some((process.parse().ok()?, host.to_owned())));
        Self(name.filter(|(_, host)| !host.chars().any(char::is_control)))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((process, host)) => write!(f, "process {process} on host {host}"),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_is_written() {
        let this = Holder::this_process();
        assert_eq!(Holder::parse(&this.to_string()), this);
        assert_eq!(this.process().map(|(process, _)| process), Some(process::id()));
        assert!(this.is_here() && !Holder::parse("process 1 on host elsewhere").is_here());
        for other in ["", "process 1", "process x on host a", "process 1 on host a\nb", "hello"] {
            assert_eq!(Holder::parse(other).to_string(), "another process", "{other:?}");
        }
    }
}
