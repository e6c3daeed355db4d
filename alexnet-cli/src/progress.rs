//! Progress bars and the lines between them.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` `unit`s (bytes of text, images, …) with rate and time left; nothing when not a
/// terminal.
pub(crate) fn bar(what: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:<12} {wide_bar} {human_pos}/{human_len} images  {per_sec}  ETA {eta}",
    );
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    // The template is a constant: a wrong one shows at the first run and falls back to the default
    // style.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
