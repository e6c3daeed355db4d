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
    // No thread for what no one sees: where the system gives none, indicatif panics.
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}

/// Does `work` with a bar, which it tells how many of how many images are done.
pub(crate) fn with_bar<T>(what: &str, work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T) -> T {
    let bar = bar(what, 0);
    let result = work(&|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    result
}
