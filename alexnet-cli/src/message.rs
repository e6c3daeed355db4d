//! The one line that the program prints when it fails.

/// clap's message about wrong arguments in one line: the fault, the nearest right one, the help.
pub(crate) fn usage(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    let parts: Vec<&str> = lines
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .collect();
    format!("{}; see --help", parts.join(" "))
}

/// An error and its causes in one line, without a backtrace and without saying a thing twice.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        // candle appends a backtrace to its messages, from the second line on.
        let text = cause.to_string();
        let text = text.lines().next().unwrap_or_default().trim();
        if !line.contains(text) {
            line = if line.is_empty() { text.to_owned() } else { format!("{line}: {text}") };
        }
    }
    // Training checks beforehand which batch fits. Other commands only get the driver's message.
    if line.contains("OUT_OF_MEMORY") || line.contains("ALLOC_FAILED") {
        line += "; the GPU has too little free memory: end other programs on it, or give a \
                 smaller batch";
    }
    line
}
