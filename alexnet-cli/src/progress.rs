//! Progress bars.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::describe::grouped;

/// A bar of `length` images with their rate and the time left. It is only shown on a terminal.
pub(crate) fn bar(what: &str, length: u64) -> ProgressBar {
    bar_of("{msg:<12} {wide_bar} {human_pos}/{human_len} images  {rate}/s  ETA {eta}", what, length)
}

/// The same for training, where the message says a lot and the images of all epochs are millions.
pub(crate) fn training_bar() -> ProgressBar {
    bar_of("{msg:<12} {wide_bar} {percent} %  {rate} images/s  ETA {eta}", "train", 0)
}

/// The number of images and their rate, where no one knows how many there will be.
pub(crate) fn counter(what: &str) -> ProgressBar {
    bar_of("{msg:<12} {human_pos} images  {rate}/s", what, 0)
}

fn bar_of(template: &str, what: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    bar.set_style(style(template));
    // No thread for what no one sees: where the system gives none, indicatif panics.
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}

/// The style of a template, in which `{rate}` is how many are done in a second: a whole number
/// from 10 on.
pub(crate) fn style(template: &str) -> ProgressStyle {
    // The templates are constants. If one is wrong, the default style shows the same numbers.
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key(
        "rate",
        |state: &ProgressState, out: &mut dyn Write| {
            _ = out.write_str(&per_second(state.per_sec()))
        },
    )
}

/// A rate with as many digits as tell anything: `62`, `1,064`, `0.4`.
pub(crate) fn per_second(rate: f64) -> String {
    if rate >= 9.95 { grouped(rate.round() as u64) } else { format!("{rate:.1}") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_whole_numbers() {
        for (rate, shown) in [(1064.3122, "1,064"), (62.1, "62"), (9.96, "10"), (0.42, "0.4")] {
            assert_eq!(per_second(rate), shown);
        }
    }
}
