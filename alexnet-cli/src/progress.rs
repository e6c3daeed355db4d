//! Progress bars.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` images with their rate and the time left. It is only shown on a terminal.
pub(crate) fn bar(what: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:<12} {wide_bar} {human_pos}/{human_len} images  {per_sec}  ETA {eta}",
    );
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    // The template is a constant. If it is wrong, the default style shows the same numbers.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
