//! What errors say of numbers of bytes.

use std::cmp::Ordering;

/// A number of bytes in the unit that suits it: `2.50 GB`.
pub(crate) fn byte_count(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// What made a record unreadable in a file of so many bytes, which now has `found`.
pub(crate) fn length_changed(expected: u64, found: u64) -> String {
    let what = match found.cmp(&expected) {
        Ordering::Less => "was cut short",
        Ordering::Greater => "has grown",
        Ordering::Equal => return "cannot be read, or was cut short for a moment,".into(),
    };
    format!("{what} from {expected} to {found} bytes after it was opened, which was noticed")
}
