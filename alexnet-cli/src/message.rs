//! The one line that the program prints when it fails.

/// clap's message about wrong arguments in one line: the fault, the nearest right one, where to
/// look.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_says_what_to_do() {
        let error = anyhow::anyhow!(
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n  0: a backtrace"
        );
        let error = error.context("lrn");
        let line = one_line(&error);
        assert!(line.starts_with("lrn: DriverError(CUDA_ERROR_OUT_OF_MEMORY"), "{line}");
        assert!(line.ends_with("smaller batch") && !line.contains('\n'), "{line}");
        let twice = anyhow::anyhow!("no such file").context("no such file");
        assert_eq!(one_line(&twice), "no such file");
    }
}
