//! What the program says, on standard output and on standard error.
//!
//! The reader of standard output may be gone, as in `alexnet inspect data | head -1`, or the disk
//! behind it is full. `println!` and `eprintln!` panic then, so clippy refuses them in this crate,
//! and everything is written here, in one of two ways:
//!
//! * What a command is asked for, a table or a verdict, goes to a [`Report`]. Where it cannot be
//!   written, the command ends.
//! * What only tells of work whose results lie in files, a training or a preparation, goes to
//!   [`tell`]. Where it cannot be written, the work goes on.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A report that could not be written to standard output.
#[derive(Debug)]
pub(crate) struct OutputError(io::Error);

impl OutputError {
    /// Whether its reader has seen enough, which is no fault of the command.
    pub(crate) fn reader_is_gone(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for OutputError {}

/// Standard output of a command whose result is what it prints: `writeln!(Report, "…")?`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report;

impl Report {
    /// What `write!` and `writeln!` call.
    pub(crate) fn write_fmt(self, text: fmt::Arguments<'_>) -> Result<(), OutputError> {
        io::stdout().write_fmt(text).map_err(OutputError)
    }
}

/// Prints the help or the version, which clap hands over as an error.
pub(crate) fn help(text: &clap::Error) -> Result<(), OutputError> {
    text.print().and_then(|()| io::stdout().flush()).map_err(OutputError)
}

/// A path in a JSON object, where each byte that is no UTF-8 becomes U+FFFD, the replacement
/// character. (serde gives such a path no text at all, and `json!` panics.)
pub(crate) fn json_path(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

/// Writes a line about work that goes on whether or not anyone reads it. The first line that a full
/// disk does not take is said on standard error.
pub(crate) fn tell(line: &str) {
    static LOST: AtomicBool = AtomicBool::new(false);
    let Err(error) = writeln!(io::stdout(), "{line}").map_err(OutputError) else { return };
    if !error.reader_is_gone() && !LOST.swap(true, Ordering::Relaxed) {
        complain(&format!("warning: {error}; the work goes on"));
    }
}

/// Writes a line to standard error. If no one can read it there, there is no one to tell.
pub(crate) fn complain(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}
