//! "Did you mean …?": the nearest known name to an unknown one.

/// The name among `known` most like `given`, when one is like it at all.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A parser's message in one line, with the nearest right key where it complains of a wrong one.
pub fn explain(message: &str) -> String {
    let line = message
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('|') && !l.contains(" | "))
        .collect::<Vec<_>>()
        .join(": ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(given) = quoted.next().filter(|_| message.contains("unknown ")) else { return line };
    match nearest(given, quoted) {
        Some(near) => format!("{line}; did you mean `{near}`?"),
        None => line,
    }
}
