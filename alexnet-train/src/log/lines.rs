//! Logs whose records are lines.

use std::io::{self, BufRead};

use crate::log::append::Format;

/// Lines of text, the first of which may be a header.
pub(crate) struct Lines {
    /// The header with its line break, or nothing.
    pub(crate) header: &'static str,
}

impl Format for Lines {
    fn beginning(&mut self) -> Vec<u8> {
        self.header.as_bytes().to_vec()
    }

    fn whole(&mut self, file: &mut dyn BufRead) -> io::Result<u64> {
        let (mut read, mut whole) = (0, 0);
        loop {
            let bytes = file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(whole);
            }
            if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
                whole = read + at as u64 + 1;
            }
            let count = bytes.len();
            read += count as u64;
            file.consume(count);
        }
    }
}
