//! What the log of a run says in few numbers: how far it is, its errors, its speed, its time.

use alexnet_train::{LAST_EVALUATION, RunLog};

/// The steps and the seconds whose mean is the present speed.
const RECENT_STEPS: usize = 1000;
const RECENT_SECONDS: f64 = 60.0;

/// How far a run is. Epochs and steps count from 1 here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    pub(crate) epoch: usize,
    pub(crate) epochs: usize,
    /// The steps of this epoch that are done.
    pub(crate) step: usize,
    /// All of its steps.
    pub(crate) steps: usize,
}

impl Position {
    pub(crate) fn of(log: &RunLog) -> Option<Self> {
        let start = log.starts.last()?;
        let (epochs, steps) = (start.epochs, start.steps_per_epoch.max(1));
        let last = log.steps.last().map(|s| s.epoch as usize * steps + s.step as usize + 1);
        let done = last.unwrap_or_default().max(start.epoch * steps + start.step);
        // The end of an epoch is not the beginning of the next one: the validation comes first.
        let epoch = done.saturating_sub(1) / steps;
        Some(Self { epoch: epoch + 1, epochs, step: done - epoch * steps, steps })
    }

    /// The share of all steps that is done, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        let done = (self.epoch - 1) * self.steps + self.step;
        (done as f64 / (self.epochs * self.steps).max(1) as f64).min(1.0)
    }
}

/// The seconds of a run by what they were spent for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Times {
    pub(crate) compute: f64,
    /// For which the loop waited for the loader.
    pub(crate) data: f64,
    /// For which it waited for checkpoints.
    pub(crate) checkpoints: f64,
    pub(crate) validation: f64,
}

impl Times {
    pub(crate) fn of(log: &RunLog) -> Self {
        // The sum of nothing is −0, which would be printed with its sign.
        let sum = |seconds: &mut dyn Iterator<Item = f64>| seconds.fold(0.0, |sum, s| sum + s);
        let data = sum(&mut log.steps.iter().map(|step| step.waited));
        Self {
            compute: sum(&mut log.steps.iter().map(|step| step.seconds)) - data,
            data,
            checkpoints: sum(&mut log.checkpoints.iter().map(|checkpoint| checkpoint.waited)),
            validation: sum(&mut log.epochs.iter().filter_map(|epoch| epoch.validation_seconds)),
        }
    }

    pub(crate) fn total(&self) -> f64 {
        self.compute + self.data + self.checkpoints + self.validation
    }

    /// Each with its name and its share, per cent; of no time none.
    pub(crate) fn shares(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("compute", self.compute),
            ("data", self.data),
            ("checkpoints", self.checkpoints),
            ("validation", self.validation),
        ];
        let total = self.total();
        let shares = all.into_iter().map(|(name, seconds)| (name, 100.0 * seconds / total));
        if total > 0.0 { shares.collect() } else { Vec::new() }
    }
}

/// The lowest top-1 error of the validations, per cent, and its epoch, from 1.
pub(crate) fn best_error(log: &RunLog) -> Option<(f64, usize)> {
    let errors = log.epochs.iter().filter_map(|e| Some((e.validation?.top1_error, e.epoch + 1)));
    errors.min_by(|(a, _), (b, _)| a.total_cmp(b))
}

/// The top-1 error of the last validation, per cent.
pub(crate) fn last_error(log: &RunLog) -> Option<f64> {
    log.epochs.iter().rev().find_map(|epoch| Some(epoch.validation?.top1_error))
}

/// Images in a second of the steps: of all, or of the last.
pub(crate) fn mean_speed(log: &RunLog) -> Option<f64> {
    speed(log, log.steps.len())
}

/// The same of the last minute or so.
pub(crate) fn present_speed(log: &RunLog) -> Option<f64> {
    speed(log, recent(log))
}

fn speed(log: &RunLog, steps: usize) -> Option<f64> {
    let steps = &log.steps[log.steps.len() - steps..];
    let seconds: f64 = steps.iter().map(|step| step.seconds).sum();
    let images: f64 = steps.iter().map(|step| f64::from(step.images)).sum();
    (seconds > 0.0).then(|| images / seconds)
}

/// How many of the last steps say how fast the run is now.
fn recent(log: &RunLog) -> usize {
    let mut seconds = 0.0;
    let steps = log.steps.iter().rev().take(RECENT_STEPS).take_while(|step| {
        let more = seconds < RECENT_SECONDS;
        seconds += step.seconds;
        more
    });
    steps.count()
}

/// The seconds that a run takes from its last line on, if it goes on as it does: the steps, the
/// validations, the evaluation at the end.
pub(crate) fn seconds_left(log: &RunLog) -> Option<f64> {
    let at = Position::of(log)?;
    let recent = recent(log);
    let seconds: f64 = log.steps.iter().rev().take(recent).map(|step| step.seconds).sum();
    let times = Times::of(log);
    let steps_left = (at.epochs * at.steps).checked_sub((at.epoch - 1) * at.steps + at.step)?;
    let with_checkpoints = 1.0 + times.checkpoints / (times.compute + times.data).max(1e-9);
    let validation = log.epochs.last().and_then(|epoch| epoch.validation_seconds);
    let validations = at.epochs.saturating_sub(log.epochs.len()) as f64 + LAST_EVALUATION;
    (recent > 0).then(|| {
        steps_left as f64 * seconds / recent as f64 * with_checkpoints
            + validations * validation.unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> RunLog {
        let start = r#"{"event":"start","parameters":5,"images":16,"epochs":3,"steps_per_epoch":2,
            "epoch":0,"step":0,"device":"cpu","model":"cpu","precision":"f32"}"#
            .replace('\n', "");
        RunLog::parse([&[&start[..]], lines].concat().join("\n").as_bytes()).unwrap()
    }

    fn step(epoch: u32, step: u32) -> String {
        format!(
            r#"{{"event":"step","epoch":{epoch},"step":{step},"loss":2.0,"rate":0.01,"images":8,
            "seconds":0.5,"waited":0.1}}"#
        )
        .replace('\n', "")
    }

    const EPOCH: &str = r#"{"event":"epoch","epoch":0,"train_loss":2.0,"seconds":2.0,
        "validation":{"images":4,"views":1,"loss":1.0,"top1_error":40.0,"top5_error":10.0},
        "validation_seconds":0.5}"#;

    #[test]
    fn a_position_counts_from_one_and_ends_with_its_epoch() {
        let at = |log: &RunLog| Position::of(log).map(|p| (p.epoch, p.step, p.share()));
        assert_eq!(at(&RunLog::default()), None);
        assert_eq!(at(&log(&[])), Some((1, 0, 0.0)));
        assert_eq!(at(&log(&[&step(0, 0)])), Some((1, 1, 1.0 / 6.0)));
        assert_eq!(at(&log(&[&step(0, 0), &step(0, 1)])), Some((1, 2, 2.0 / 6.0)));
        assert_eq!(at(&log(&[&step(0, 1), &step(1, 0)])), Some((2, 1, 0.5)));
        assert_eq!(at(&log(&[&step(2, 1)])), Some((3, 2, 1.0)));
    }

    /// Two of six steps are done, one of three validations: four steps of half a second are left,
    /// two validations of half a second, and eleven at the end.
    #[test]
    fn time_is_shared_and_foreseen() {
        let epoch = EPOCH.replace('\n', "");
        let log = log(&[&step(0, 0), &step(0, 1), &epoch]);
        let times = Times::of(&log);
        assert!((times.total() - 1.5).abs() < 1e-9, "{times:?}");
        let shares = times.shares();
        assert_eq!(shares[3].0, "validation");
        assert!((shares[3].1 - 100.0 / 3.0).abs() < 1e-9, "{shares:?}");
        let left = seconds_left(&log).unwrap();
        assert!((left - (4.0 * 0.5 + 13.0 * 0.5)).abs() < 1e-9, "{left}");
        assert_eq!(present_speed(&log), Some(16.0));
        assert_eq!((best_error(&log), last_error(&log)), (Some((40.0, 1)), Some(40.0)));
        assert_eq!(Times::default().shares(), []);
        assert!(Times::of(&RunLog::default()).checkpoints.is_sign_positive());
        assert_eq!(seconds_left(&RunLog::default()), None);
    }
}
