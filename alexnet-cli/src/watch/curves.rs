//! The points of the charts: as many as a screen can show.

use alexnet_train::{Evaluation, LoggedEpoch, LoggedStep, RunLog};

use crate::runs::facts::Position;

/// A point: the epoch with its part that is done, and a value.
pub(super) type Point = (f64, f64);

/// The losses of the steps, and what they are without their noise.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LossCurves {
    pub(super) steps: Vec<Point>,
    pub(super) smooth: Vec<Point>,
}

impl LossCurves {
    /// Those of the steps from epoch `from` on, at most `columns` of a kind.
    pub(super) fn new(log: &RunLog, from: f64, columns: usize) -> Self {
        let steps = Position::of(log).map_or(1, |at| at.steps) as f64;
        let smooth = smooth_loss(&log.steps);
        let point = |(step, smooth): (&LoggedStep, f64)| {
            let x = f64::from(step.epoch) + (f64::from(step.step) + 1.0) / steps;
            (x, f64::from(step.loss), smooth)
        };
        let points = log.steps.iter().zip(smooth).map(point);
        let points: Vec<_> = points.filter(|(x, ..)| *x >= from).collect();
        let every = points.len().div_ceil(columns.max(1)).max(1);
        let mut curves = Self::default();
        for few in points.chunks(every) {
            let (x, _, smooth) = few[few.len() - 1];
            curves.smooth.push((x, smooth));
            // The lowest and the highest of a column say how much the steps scatter.
            let losses = few.iter().map(|(x, loss, _)| (*x, *loss));
            let losses = losses.filter(|(_, loss)| loss.is_finite());
            let by_loss = |a: &Point, b: &Point| a.1.total_cmp(&b.1);
            curves.steps.extend(losses.clone().min_by(by_loss));
            if every > 1 {
                curves.steps.extend(losses.max_by(by_loss));
            }
        }
        curves
    }
}

/// The losses of the steps as a mean whose weights fall with the age: over the last fiftieth of
/// the steps or ten. Losses that are not finite are left out.
pub(super) fn smooth_loss(steps: &[LoggedStep]) -> Vec<f64> {
    let keep = 1.0 - 1.0 / (steps.len() as f64 / 50.0).max(10.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = steps.iter().map(|step| {
        if step.loss.is_finite() {
            sum = keep * sum + (1.0 - keep) * f64::from(step.loss);
            weight = keep * weight + (1.0 - keep);
        }
        sum / weight
    });
    smooth.collect()
}

/// An error rate by epoch, from epoch `from` on.
pub(super) fn errors(
    log: &RunLog,
    from: f64,
    error: impl Fn(&LoggedEpoch) -> Option<f64>,
) -> Vec<Point> {
    let epochs = log.epochs.iter().filter(|epoch| (epoch.epoch + 1) as f64 >= from);
    epochs.filter_map(|epoch| Some(((epoch.epoch + 1) as f64, error(epoch)?))).collect()
}

/// For [`errors`]: that of the validation.
pub(super) fn of_validation(
    error: impl Fn(&Evaluation) -> f64,
) -> impl Fn(&LoggedEpoch) -> Option<f64> {
    move |epoch| epoch.validation.as_ref().map(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(losses: &[f32]) -> RunLog {
        let start = r#"{"event":"start","parameters":5,"images":16,"epochs":3,"steps_per_epoch":100,
            "epoch":0,"step":0,"device":"cpu","model":"cpu","precision":"f32"}"#;
        let mut lines = vec![start.replace('\n', "")];
        lines.extend((0..).zip(losses).map(|(step, loss)| {
            let (epoch, step) = (step / 100, step % 100);
            format!(r#"{{"event":"step","epoch":{epoch},"step":{step},"loss":{loss},"rate":0.01,"#)
                + r#""images":8,"seconds":0.5,"waited":0.1}"#
        }));
        RunLog::parse(lines.join("\n").as_bytes()).unwrap()
    }

    #[test]
    fn the_smooth_loss_is_a_mean() {
        let constant = smooth_loss(&steps(&[2.0; 30]).steps);
        assert!(constant.iter().all(|loss| (loss - 2.0).abs() < 1e-6), "{constant:?}");
        let noisy: Vec<f32> = (0..300).map(|n| if n % 2 == 0 { 1.0 } else { 3.0 }).collect();
        let last = *smooth_loss(&steps(&noisy).steps).last().unwrap();
        assert!((last - 2.0).abs() < 0.2, "{last}");
        let mut wrong = steps(&[2.0; 3]).steps;
        wrong[1].loss = f32::NAN;
        assert!(smooth_loss(&wrong).iter().all(|loss| (loss - 2.0).abs() < 1e-6));
    }

    #[test]
    fn a_long_run_has_as_many_points_as_columns() {
        let log = steps(&(0..300).map(|n| n as f32).collect::<Vec<_>>());
        let curves = LossCurves::new(&log, 0.0, 30);
        assert_eq!((curves.smooth.len(), curves.steps.len()), (30, 60));
        assert_eq!((curves.steps[0].1, curves.steps[59]), (0.0, (3.0, 299.0)));
        let latest = LossCurves::new(&log, 2.5, 30);
        assert!(latest.steps.iter().all(|(x, _)| *x >= 2.5), "{latest:?}");
        assert_eq!(LossCurves::new(&RunLog::default(), 0.0, 30), LossCurves::default());
    }
}
