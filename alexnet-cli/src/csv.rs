//! Tables as CSV (RFC 4180), for spreadsheets and scripts.

use std::fmt::Write as _;

/// Appends a row to `table`. A field with a comma, a quote or a line break is quoted.
pub(crate) fn row<T: AsRef<str>>(table: &mut String, fields: impl IntoIterator<Item = T>) {
    for (number, field) in fields.into_iter().enumerate() {
        let (comma, field) = (if number == 0 { "" } else { "," }, field.as_ref());
        let quoted = field.contains([',', '"', '\n', '\r']);
        // Writing to a String cannot fail.
        _ = match quoted {
            true => write!(table, "{comma}\"{}\"", field.replace('"', "\"\"")),
            false => write!(table, "{comma}{field}"),
        };
    }
    table.push('\n');
}
