//! Where a run's events go: to a callback, and to the log as one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;
use crate::event::Event;

/// A callback and an open log.
pub(crate) struct EventSink<'a> {
    on_event: &'a mut dyn FnMut(&Event),
    log: File,
    path: PathBuf,
}

impl<'a> EventSink<'a> {
    /// Opens the log at `path` to append to it; creates it where there is none.
    pub(crate) fn open(path: PathBuf, on_event: &'a mut dyn FnMut(&Event)) -> Result<Self, Error> {
        // A run that was killed may have left half a line, which must not swallow the next one.
        let cut = std::fs::read(&path).is_ok_and(|text| text.last().is_some_and(|b| *b != b'\n'));
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let mut log = log.map_err(Error::io(&path))?;
        if cut {
            log.write_all(b"\n").map_err(Error::io(&path))?;
        }
        Ok(Self { on_event, log, path })
    }

    /// Calls the callback and appends a line to the log, in one write.
    pub(crate) fn emit(&mut self, event: Event) -> Result<(), Error> {
        (self.on_event)(&event);
        let mut line = serde_json::to_vec(&event).map_err(|e| Error::io(&self.path)(e.into()))?;
        line.push(b'\n');
        self.log.write_all(&line).map_err(Error::io(&self.path))
    }

    /// Passes the number of evaluated images to the callback; they are not in the log.
    pub(crate) fn evaluated(&mut self) -> impl FnMut(usize) {
        |images| (self.on_event)(&Event::Evaluated { images })
    }
}
