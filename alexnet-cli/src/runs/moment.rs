//! Times and durations, as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: f64 = 86_400.0;

/// Seconds since 1970, by this machine's clock.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A time of the day, in this machine's time zone; with its date where that is another day than
/// `now`'s or may be.
pub(crate) fn clock(time: f64, now: f64) -> String {
    let far = (time - now).abs() > DAY / 2.0;
    let local =
        Timestamp::from_second(time as i64).map(|t| t.to_zoned_datetime(TimeZone::system()));
    let format = if far { "%Y-%m-%d %H:%M" } else { "%H:%M" };
    local.map_or_else(|_| "?".to_owned(), |local| local.strftime(format).to_string())
}

/// A duration in its two largest units: `42 s`, `3 min 20 s`, `5 h 12 min`, `6 d 3 h`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// How long ago a time was, in one unit.
pub(crate) fn ago(time: f64, now: f64) -> String {
    let ago = duration(now - time);
    let words: Vec<&str> = ago.split(' ').take(2).collect();
    format!("{} ago", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (41.6, "42 s"),
            (200.0, "3 min 20 s"),
            (18_720.0, "5 h 12 min"),
            (529_300.0, "6 d 3 h"),
            (-3.0, "0 s"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!(ago(1000.0, 1200.0), "3 min ago");
        assert_eq!(ago(1000.0, 900.0), "0 s ago"); // by another machine's clock
    }

    #[test]
    fn other_days_have_a_date() {
        assert_eq!(clock(1.7e9, 1.7e9).len(), "12:34".len());
        assert_eq!(clock(1.7e9, 1.7e9 + 2.0 * DAY).len(), "2023-11-14 22:13".len());
        assert_eq!(clock(f64::MAX, 0.0), "?");
    }
}
